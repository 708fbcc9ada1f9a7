"""Places and sub-places (a room, a floor, a bus trip) where people meet."""
