"""One message to one list of people through one gateway: sent once, and what is unknown is called unknown."""
