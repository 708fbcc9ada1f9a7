"""Our own small client for SMPP 3.4, the protocol that carriers speak: asyncio, one idea a file.

`pdu` (bytes), `coding` (texts), `lanes` (who goes first), `session` (one bind), `pool` (several binds) and `reports`
(what a receipt says) know neither Django nor the database; `gateway` makes them a gateway of this house.
"""
