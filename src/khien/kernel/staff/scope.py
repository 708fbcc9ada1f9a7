"""Every read goes through the actor's scope: `Model.objects.seen_by(actor)`.

A model with a unit declares where it is and who may look::

    class Case(Scoped):
        scope_unit = "unit"                     # look-up of the AdminUnit; "" when the model *is* the unit
        scope_person = "person"                 # look-up of the Person, for the resident's own rows; or None
        scope_roles = {Role.TRACER, ...}        # roles that see the rows of their units

`khien.kernel.staff.scope.scoped_models()` lists them all for the test that walks every door.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.apps import apps
from django.db import models
from django.db.models import Q

from khien.kernel.staff.actors import Actor


def within(actor: Actor, path: str, *roles: str) -> Q:
    """The rows whose unit lies in the units where the actor holds one of the roles (any role when none is named).

    `path` is the look-up of the unit's path, "unit__path" say. For the system every row, for nobody none.
    """
    if actor.sees_everything:
        return Q()
    inside = Q(pk__in=[])
    for prefix in actor.paths(*roles):
        inside |= Q(**{f"{path}__startswith": prefix})
    return inside


class ScopedQuerySet(models.QuerySet[Any]):
    def seen_by(self, actor: Actor) -> Self:
        """Only the rows that the actor may see: of their units for staff, their own for residents."""
        model: type[Scoped] = self.model
        if actor.sees_everything:
            return self
        allowed = Q(pk__in=[])
        if actor.person_id is not None and model.scope_person is not None:
            allowed |= Q(**{f"{model.scope_person}_id" if model.scope_person else "pk": actor.person_id})
        path = f"{model.scope_unit}__path" if model.scope_unit else "path"
        return self.filter(allowed | within(actor, path, *model.scope_roles))


class Scoped(models.Model):
    """Base of every model whose rows belong to a unit."""

    scope_unit: ClassVar[str] = "unit"
    scope_person: ClassVar[str | None] = None
    scope_roles: ClassVar[frozenset[str]] = frozenset()

    objects: ClassVar[Any] = ScopedQuerySet.as_manager()

    class Meta:
        abstract = True


def scoped_models() -> list[type[Scoped]]:
    """All concrete models under scope."""
    return [model for model in apps.get_models() if issubclass(model, Scoped)]
