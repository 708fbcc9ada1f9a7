"""Everything that refers to a person: found by walking the foreign keys, plus the columns of tables that
cannot have one (announced with `refers_to_person`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import IntegrityError, models, transaction

from khien.kernel.people.models import DuplicateProposal, Merge, Person

_announced: list[tuple[str, str, tuple[str, ...]]] = []


def refers_to_person(model: str, column: str, key: tuple[str, ...] = ("pk",)) -> None:
    """Announce a plain integer column that holds person ids ("presence.PresenceRecord", "person_id")."""
    _announced.append((model, column, key))


@dataclass(frozen=True, slots=True)
class PersonReference:
    """One column that holds person ids, and how its rows are named when they move."""

    model: type[models.Model]
    column: str
    key_columns: tuple[str, ...]

    @property
    def key(self) -> str:
        return f"{self.model._meta.label_lower}.{self.column}"

    def move(self, before: int, after: int) -> list[Any]:
        """Point the rows of `before` at `after`; returns the names of the rows that moved."""
        rows = self.model._default_manager.filter(**{self.column: before})
        names = [list(row) for row in rows.values_list(*self.key_columns)]
        return [_plain(name) for name in names if self._move_one(name, before, after)]

    def move_back(self, names: list[Any], before: int, after: int) -> None:
        """Undo: the named rows that still point at `after` point at `before` again."""
        for name in names:
            self._move_one(name, after, before)

    def _move_one(self, name: list[Any], before: int, after: int) -> bool:
        row = dict(zip(self.key_columns, name, strict=True))
        try:
            with transaction.atomic():
                return bool(
                    self.model._default_manager.filter(**row, **{self.column: before}).update(
                        **{self.column: after}
                    )
                )
        except IntegrityError:  # the other record already has the same fact
            return False


def person_references() -> list[PersonReference]:
    """All columns that a merge moves."""
    found = [
        PersonReference(relation.related_model, relation.field.attname, ("pk",))
        # Relations without a name of their own ("+") are hidden from `related_objects`.
        for relation in Person._meta.get_fields(include_hidden=True)
        if isinstance(relation, models.ManyToOneRel)
        and relation.related_model not in (Person, Merge, DuplicateProposal)
    ]
    return found + [PersonReference(apps.get_model(label), column, key) for label, column, key in _announced]


def _plain(name: list[Any]) -> list[Any]:
    return [value.isoformat() if hasattr(value, "isoformat") else value for value in name]
