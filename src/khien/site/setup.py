"""What every installation holds before its first day of work: units, rules, kinds of places, forms."""

from __future__ import annotations

from khien.kernel.places import verbs as places
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import system_actor
from khien.kernel.units import verbs as units
from khien.rooms.declarations import verbs as declarations


def prepare() -> None:
    """Load the shipped units, rules, kinds of places and forms into a migrated database; what is there stays."""
    actor = system_actor("setup")
    units.load_country(actor)
    rules.load_seed(actor)
    places.load_kinds(actor)
    declarations.load_forms(actor)
