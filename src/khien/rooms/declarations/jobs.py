"""Nothing of this room runs by itself: its retention rules run in the house's retention job."""
