from __future__ import annotations

from typing import ClassVar

from django.db import models


class DemoState(models.Model):
    """Which synthetic world this demo shows and how far it has lived: one row, none in a real installation.

    The people of the simulation lie at `first_person_id` and the ids after it, in its own order.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    seed = models.IntegerField()
    people = models.IntegerField()
    start = models.DateField(help_text="the Vietnamese day of hour 0")
    next_hour = models.IntegerField(default=0, help_text="the first hour of the world that has not been told")
    first_person_id = models.BigIntegerField()
    places = models.JSONField(help_text="place ids of the ledger by place ids of the simulation")
    ready = models.BooleanField(default=False, help_text="the first days are loaded whole")

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(id=1), name="demo_one_row")]

    def __str__(self) -> str:
        return f"{self.people} people, hour {self.next_hour}"
