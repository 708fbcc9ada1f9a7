"""Who was where, when: the fact that checkpoints write, tracing reads and the retention rule forgets."""
