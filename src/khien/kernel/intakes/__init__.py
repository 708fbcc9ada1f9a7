"""What comes in by the batch: `received = stored + duplicate + held`, and rows that wait for somebody.

`models` are the abstract bases of a room's tables, `waiting` the steps by which a held row is kept and settled.
"""
