from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Value


class RuleKey(models.Model):
    """A question that the law answers, e.g. "quarantine.length"."""

    key = models.CharField(max_length=60, unique=True)
    meaning = models.CharField(max_length=300)

    def __str__(self) -> str:
        return self.key


class Rule(models.Model):
    """The answer from one day to another, by the decision that gave it."""

    key = models.ForeignKey(RuleKey, models.PROTECT, related_name="rules")
    during = DateRangeField(help_text="[in force from, no longer in force)")
    value = models.JSONField()
    decision = models.CharField(max_length=120, help_text="number of the decision, e.g. 5053/QĐ-BYT")
    issued_on = models.DateField(null=True)
    summary = models.CharField(max_length=400, help_text="what it says, in Vietnamese, one sentence")
    source = models.CharField(max_length=300)
    to_confirm = models.BooleanField(default=True, help_text="the text of the decision has not been checked")

    class Meta:
        constraints: ClassVar = [
            # btree_gist is not at hand: a one-point range stands for the scalar.
            ExclusionConstraint(
                name="rule_one_a_day",
                expressions=[
                    (
                        Func(F("key_id"), F("key_id"), Value("[]"), function="int8range"),
                        RangeOperators.OVERLAPS,
                    ),
                    ("during", RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} · {self.decision}"
