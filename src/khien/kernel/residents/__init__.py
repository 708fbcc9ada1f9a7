"""Residents at the door: one-time codes and their limits, sessions, and staff who act for somebody at a desk."""
