"""Data sets that ship with Khiên, each with its SOURCE.md."""
