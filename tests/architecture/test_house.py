"""What import-linter cannot see: the floor plan, the doors, the scope, the documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models
from django.template.loader import get_template
from django.urls import URLPattern, URLResolver, get_resolver

from khien.kernel.acts import all_verbs
from khien.kernel.events import declared
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.staff.scope import Scoped, scoped_models
from khien.kernel.units.models import AdminUnit
from khien.site.api import api

SRC = Path(import_module("khien").__file__ or "").parent
DOCS = SRC.parents[1] / "docs"
ROOMS = [app.rsplit(".", 1)[1] for app in settings.ROOMS]
FLOOR_PLAN = ["models.py", "events.py", "reads.py", "verbs.py", "jobs.py", "pages.py", "api.py", "README.md"]


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_the_same_floor_plan(room: str) -> None:
    folder = SRC / "rooms" / room
    for name in FLOOR_PLAN:
        assert (folder / name).exists() or (folder / name.removesuffix(".py")).is_dir(), f"{room}/{name}"


def test_every_verb_is_explained_and_listed_in_its_readme() -> None:
    missing = []
    for name, fact in all_verbs().items():
        if "tests" in fact.function.__module__:
            continue
        room = name.split(".", 1)[0]
        if not (fact.function.__doc__ or "").strip():
            missing.append(f"{name} has no docstring")
        if room in ROOMS and fact.function.__name__ not in (SRC / "rooms" / room / "README.md").read_text():
            missing.append(f"{name} is not in the README of its room")
    assert missing == []


def test_every_event_is_documented() -> None:
    text = (DOCS / "events.md").read_text()
    assert [name for name in declared() if f"`{name}`" not in text and not name.startswith("test_")] == []


def test_rooms_do_not_refer_to_each_other_in_the_database() -> None:
    wrong = [
        f"{field} → {field.related_model._meta.label}"
        for model in apps.get_models()
        if model._meta.app_label in ROOMS
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
        and field.related_model._meta.app_label in ROOMS
        and field.related_model._meta.app_label != model._meta.app_label
    ]
    assert wrong == []


def test_templates_of_a_room_include_none_of_another() -> None:
    wrong = []
    for room in ROOMS:
        for path in (SRC / "rooms" / room / "templates").rglob("*.html"):
            for other in re.findall(r'\{%\s*(?:include|extends)\s+"([^"]+)"', path.read_text()):
                get_template(other)
                if (owner := other.split("/")[0]) in ROOMS and owner != room:
                    wrong.append(f"{path.name} of {room} takes {other}")
    assert wrong == []


def test_every_model_with_a_unit_a_person_or_a_place_is_under_scope_or_reached_through_one_that_is() -> None:
    """A row that names a person, place or unit extends `Scoped`, or hangs on a row that does.

    Staff and rules are of the house, not of people; audit and events are reached by their own reads.
    """
    ground = {"staff", "units", "rules", "audit", "events", "clock"}
    loose = []
    for model in apps.get_models():
        if not model.__module__.startswith("khien.") or model._meta.app_label in ground:
            continue
        if issubclass(model, Scoped):
            continue
        targets = {f.related_model for f in model._meta.get_fields() if isinstance(f, models.ForeignKey)}
        if targets & {AdminUnit, Person, Place} and not any(issubclass(t, Scoped) for t in targets):
            loose.append(model._meta.label)
    assert loose == []


@pytest.mark.django_db
@pytest.mark.parametrize("model", scoped_models(), ids=lambda m: m._meta.label)
def test_nobody_without_a_grant_sees_any_row(model: type[Scoped]) -> None:
    """The scope of every model compiles to SQL and gives nothing to an actor with neither grant nor record."""
    from khien.kernel.staff.reads import NOBODY
    from tests.factories import make_actor, make_unit

    assert model.objects.seen_by(NOBODY).count() == 0
    for role in sorted(model.scope_roles):
        assert model.objects.seen_by(make_actor(role, make_unit())).count() == 0


def pages(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from pages(entry, f"{prefix}{entry.pattern}")
        else:
            yield f"{prefix}{entry.pattern}", entry


def test_every_page_says_who_may_open_it() -> None:
    silent = [
        address
        for address, pattern in pages(get_resolver())
        if pattern.callback.__module__.startswith("khien.") and not hasattr(pattern.callback, "demands")
    ]
    assert silent == []


def test_every_api_operation_documents_its_errors_and_demands_a_caller() -> None:
    loose = []
    for address, view in ((a, v) for _p, r in api._routers for a, v in r.path_operations.items()):
        for operation in view.operations:
            if 422 not in operation.response_models:
                loose.append(f"{operation.methods} {address}: 422 is not declared")
    assert loose == []
