"""Text messages to phones: the interface, the real HTTP gateway, and a simulator that can misbehave.

`sending.gateway()` is the one that the installation has chosen; `sending.send_now` sends one message.
"""
