"""Administrative units as dated data. Codes are reused over time, so a code alone is never a key."""
