"""Accounts, roles within units, devices; and the actor, who stands in every verb and every read."""

from khien.kernel.staff.actors import Actor, Grant, system_actor
from khien.kernel.staff.roles import Role

__all__ = ["Actor", "Grant", "Role", "system_actor"]
