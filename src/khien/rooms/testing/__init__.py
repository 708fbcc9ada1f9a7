"""Specimens, laboratory results and requests to be sampled."""
