"""What holds for a person now (under order until …, by which room): written by verbs, read by gates."""
