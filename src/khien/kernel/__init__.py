"""The ground that every room stands on. Imports nothing of the rooms, the desk or the site."""
