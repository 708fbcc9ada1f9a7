"""Composition: settings, addresses, theme, supervisor and command line."""
