"""Khiên: a province's epidemic response and the digital services around it."""

__version__ = "0.1.0"
