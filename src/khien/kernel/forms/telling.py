"""An answer in words, under the version of the form that it was given to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from khien.kernel.forms.spec import Question, Rows, Spec
from khien.kernel.people.phones import display
from khien.kernel.units.models import AdminUnit


@dataclass(frozen=True, slots=True)
class Told:
    """A question with its answer in words; `rows` for rows, each a list of such pairs."""

    title: str
    text: str = ""
    rows: list[list[tuple[str, str]]] = field(default_factory=list)


def told(spec: Spec, value: Mapping[str, Any]) -> list[tuple[str, list[Told]]]:
    """Every answered question by section; what was not answered is left out."""
    names = _unit_names(spec, value)
    sections = []
    for section in spec.sections:
        lines = []
        for item in section.items:
            if item.name not in value:
                continue
            given = value[item.name]
            if isinstance(item, Rows):
                rows = [
                    [(q.title, in_words(q, row[q.name], names)) for q in item.questions if q.name in row]
                    for row in given
                ]
                if rows:
                    lines.append(Told(item.title, rows=rows))
            else:
                lines.append(Told(item.title, in_words(item, given, names)))
        if lines:
            sections.append((section.title, lines))
    return sections


def in_words(question: Question, given: Any, names: Mapping[int, str]) -> str:
    """One answer as people write it."""
    match question.kind:
        case "yes_no" | "agree":
            return _("Có") if given else _("Không")
        case "choice":
            return str(dict(question.options).get(given, given))
        case "choices":
            words = dict(question.options)
            return ", ".join(str(words.get(one, one)) for one in given)
        case "day":
            return date.fromisoformat(given).strftime("%d/%m/%Y")
        case "phone":
            return display(given)
        case "unit":
            return names.get(given, _("(không rõ)"))
        case "identity":
            return f"…{str(given)[-4:]}"
    return str(given)


def _unit_names(spec: Spec, value: Mapping[str, Any]) -> dict[int, str]:
    wanted: set[int] = set()
    for item in spec.items:
        if isinstance(item, Question) and item.kind == "unit":
            wanted.update(spec.values_at(value, item.name))
        elif isinstance(item, Rows):
            for question in item.questions:
                if question.kind == "unit":
                    wanted.update(spec.values_at(value, f"{item.name}[].{question.name}"))
    return {
        unit.pk: ", ".join(filter(None, (unit.full_name, unit.parent.full_name if unit.parent else "")))
        for unit in AdminUnit.objects.filter(pk__in=wanted).select_related("parent")
    }
