"""What a form asks: the JSON Schema and the UI schema, checked together and made into questions.

The part of JSON Schema (draft 2020-12) that a page can ask: one object of questions and of arrays of objects
("rows"), with `if`/`then` on earlier answers. Whatever else stands in a schema is refused when it is compiled, so
that no form reaches people which the page, the script and the validator would understand differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

import jsonschema
from django.utils import translation

Json = Mapping[str, Any]

KINDS = (
    "text", "long_text", "choice", "choices", "yes_no", "agree", "number", "day", "phone", "identity", "unit",
)  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST_ROWS = 100
_FORMATS = {"date": "day", "phone": "phone", "identity": "identity", "unit": "unit"}


class FormError(ValueError):
    """A form that cannot be asked: says where and why. For who writes forms, in English."""


@dataclass(frozen=True, slots=True)
class Question:
    """One answer to give. `when` names answers before it (of the same object) and the values among which each must
    be; `required` holds where `when` does."""

    name: str
    kind: str
    schema: Json = field(repr=False)
    ui: Json = field(repr=False)
    required: bool = False
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return _said(self.ui, "title") or str(self.schema.get("title", self.name))

    @property
    def help(self) -> str:
        return _said(self.ui, "help") or str(self.ui.get("help", ""))

    @property
    def options(self) -> list[tuple[str, str]]:
        """The values to choose from, with the words for each."""
        of = self.schema.get("items", {}) if self.kind == "choices" else self.schema
        english = _english(self.ui).get("options", {})
        return [(one["const"], english.get(one["const"], one["title"])) for one in of.get("oneOf", ())]


@dataclass(frozen=True, slots=True)
class Rows:
    """Several things of one sort, each with the same questions."""

    name: str
    schema: Json = field(repr=False)
    ui: Json = field(repr=False)
    questions: tuple[Question, ...]
    required: bool = False
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return _said(self.ui, "title") or str(self.schema.get("title", self.name))

    @property
    def help(self) -> str:
        return _said(self.ui, "help") or str(self.ui.get("help", ""))

    @property
    def row_title(self) -> str:
        return _said(self.ui, "row") or str(self.ui.get("row", self.title))

    @property
    def add(self) -> str:
        return _said(self.ui, "add") or str(self.ui.get("add", "+"))

    @property
    def least(self) -> int:
        return int(self.schema.get("minItems", 0))

    @property
    def most(self) -> int:
        return int(self.schema.get("maxItems", _MOST_ROWS))


Item = Question | Rows


@dataclass(frozen=True, slots=True)
class Section:
    """Questions under one heading."""

    ui: Json
    items: tuple[Item, ...]

    @property
    def title(self) -> str:
        return _said(self.ui, "title") or str(self.ui.get("title", ""))

    @property
    def help(self) -> str:
        return _said(self.ui, "help") or str(self.ui.get("help", ""))


@dataclass(frozen=True, slots=True)
class Spec:
    """A form that can be asked."""

    sections: tuple[Section, ...]
    schema: Json = field(repr=False)
    validator: Any = field(repr=False, compare=False)

    @property
    def items(self) -> list[Item]:
        return [item for section in self.sections for item in section.items]

    def problems(self, value: Any) -> list[jsonschema.ValidationError]:
        """Everywhere a value is not as the schema says."""
        return list(self.validator.iter_errors(value))

    def values_at(self, value: Json, path: str) -> list[Any]:
        """What stands at "origin" or, in every row, at "visited[].unit"."""
        name, rows, rest = path.partition("[].")
        found = value.get(name)
        if not rows:
            return [] if found is None else [found]
        return [row[rest] for row in found or () if row.get(rest) is not None]


def holds(when: Mapping[str, tuple[Any, ...]], told: Json) -> bool:
    """Whether a condition holds for the answers so far. Of several choices one is enough."""
    for name, wanted in when.items():
        value = told.get(name)
        given = value if isinstance(value, list) else [value]
        # 1 == True in Python and not in JSON.
        if not any(a is b or (type(a) is type(b) and a == b) for a in given for b in wanted):
            return False
    return True


def compiled(schema: Json, ui: Json) -> Spec:
    """Check a form and make its questions. Raises `FormError`."""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as fault:
        raise FormError(f"the schema is no JSON Schema: {fault.message}") from fault
    if not isinstance(ui, Mapping) or not isinstance(ui.get("sections"), list):
        raise FormError("ui: `sections` is missing")
    order = [name for section in ui["sections"] for name in section.get("fields", ())]
    items = {item.name: item for item in _items(schema, ui.get("fields", {}), order, rows=True, at="")}
    return Spec(
        tuple(
            Section(section, tuple(items[name] for name in section.get("fields", ())))
            for section in ui["sections"]
        ),
        schema,
        jsonschema.Draft202012Validator(schema, format_checker=FORMATS),
    )


def _items(schema: Json, fields: Json, order: list[str], *, rows: bool, at: str) -> Iterator[Item]:
    properties = schema.get("properties", {})
    if schema.get("type") != "object" or schema.get("additionalProperties") is not False:
        raise FormError(f"{at or 'schema'}: must be an object with additionalProperties false")
    if sorted(order) != sorted(properties):
        differ = sorted(set(order) ^ set(properties)) or "a name twice"
        raise FormError(f"{at or 'ui'}: the order of questions does not list each property once: {differ}")
    conditions = _conditions(schema, order, at)
    required = set(schema.get("required", ()))
    for name in order:
        if not _NAME.fullmatch(name):
            raise FormError(f"{at}{name}: names are small letters, digits and _")
        when, demanded = conditions.get(name, ({}, False))
        if name in required and when:
            raise FormError(f"{at}{name}: is required and asked only sometimes")
        part, its_ui = properties[name], fields.get(name, {})
        asked = name in required or demanded
        if part.get("type") == "array" and part.get("items", {}).get("type") == "object":
            if not rows:
                raise FormError(f"{at}{name}: rows within rows")
            inner = _items(
                part["items"], its_ui.get("fields", {}), its_ui.get("order", []), rows=False, at=f"{name}."
            )
            questions = tuple(item for item in inner if isinstance(item, Question))
            if part.get("maxItems", _MOST_ROWS) > _MOST_ROWS:
                raise FormError(f"{at}{name}: more than {_MOST_ROWS} rows")
            yield Rows(name, part, its_ui, questions, asked or part.get("minItems", 0) > 0, when)
        else:
            yield Question(name, _kind(part, its_ui, f"{at}{name}"), part, its_ui, asked, when)


def _kind(schema: Json, ui: Json, at: str) -> str:
    """How a property is asked."""
    sort, form = schema.get("type"), schema.get("format")
    kind = ""
    if schema.get("const") is True:
        kind = "agree"
    elif sort == "boolean":
        kind = "yes_no"
    elif sort == "integer":
        kind = "unit" if form == "unit" else "number"
    elif sort == "array":
        inner = schema.get("items", {})
        kind = "choices" if inner.get("oneOf") and schema.get("uniqueItems") else ""
    elif sort == "string":
        if schema.get("oneOf"):
            kind = "choice"
        elif form is not None:
            kind = _FORMATS.get(form, "")
        elif schema.get("maxLength"):
            kind = "long_text" if ui.get("long") else "text"
    if not kind:
        raise FormError(f"{at}: cannot be asked (a text needs maxLength, choices need oneOf and uniqueItems)")
    of = schema.get("items", {}) if kind == "choices" else schema
    for one in of.get("oneOf", ()):
        if not isinstance(one.get("const"), str) or not one.get("title"):
            raise FormError(f"{at}: every choice is a const with a title")
    return kind


def _conditions(
    schema: Json, order: list[str], at: str
) -> dict[str, tuple[dict[str, tuple[Any, ...]], bool]]:
    """For each question that is asked only sometimes: when, and whether it must then be answered."""
    found: dict[str, tuple[dict[str, tuple[Any, ...]], bool]] = {}
    parts = list(schema.get("allOf", ()))
    if "if" in schema:
        parts.append(schema)
    for part in parts:
        if "if" not in part or "then" not in part or "else" in part:
            raise FormError(f"{at}allOf: only if/then")
        when = {name: _wanted(one, f"{at}{name}") for name, one in part["if"].get("properties", {}).items()}
        if not when or set(part["if"].get("required", ())) != set(when):
            raise FormError(f"{at}if: properties, each also in required")
        then = part["then"]
        if set(then) - {"properties", "required"} or any(
            v != {} for v in then.get("properties", {}).values()
        ):
            raise FormError(f"{at}then: required, and properties without more to say of them")
        for name in {*then.get("required", ()), *then.get("properties", {})}:
            if name not in order or any(order.index(n) >= order.index(name) for n in when if n in order):
                raise FormError(f"{at}{name}: what it depends on must be asked before it")
            if name in found:
                raise FormError(f"{at}{name}: has two conditions")
            found[name] = (when, name in then.get("required", ()))
    return found


def _wanted(one: Json, at: str) -> tuple[Any, ...]:
    """The values that an `if` names: {"const": x}, {"enum": [x, y]} or {"contains": {"const": x}}."""
    if set(one) == {"const"}:
        return (one["const"],)
    if set(one) == {"enum"}:
        return tuple(one["enum"])
    if set(one) == {"contains"}:
        return _wanted(one["contains"], at)
    raise FormError(f"{at}: an if compares with const, enum or contains")


FORMATS = jsonschema.FormatChecker(formats=())
"""The formats that forms use; what comes through a page has been checked by its field already."""


@FORMATS.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or bool(date.fromisoformat(value))


@FORMATS.checks("phone")
def _is_phone(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"\+[1-9]\d{6,14}", value) is not None


@FORMATS.checks("identity")
def _is_identity(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"[A-Z0-9]{6,15}", value) is not None


@FORMATS.checks("unit")
def _is_unit(value: object) -> bool:
    return isinstance(value, int) and value > 0


def without_private(spec: Spec, value: Json) -> tuple[dict[str, Any], dict[str, str]]:
    """A value without its identity numbers, and those by the name of their question: they are stored apart."""
    private = {q.name for q in spec.items if isinstance(q, Question) and q.kind == "identity"}
    return (
        {name: one for name, one in value.items() if name not in private},
        {name: str(one) for name, one in value.items() if name in private},
    )


def _english(ui: Json) -> Json:
    found = ui.get("en", {}) if (translation.get_language() or "vi").startswith("en") else {}
    return found if isinstance(found, Mapping) else {}


def _said(ui: Json, what: str) -> str:
    return str(_english(ui).get(what, ""))


@lru_cache(maxsize=64)
def cached(key: object, text: str) -> Spec:
    """The form stored as one JSON text {"schema", "ui"}; `key` names the version that never changes."""
    import json

    both = json.loads(text)
    return compiled(both["schema"], both["ui"])


def names_of(items: Iterable[Item]) -> list[str]:
    return [item.name for item in items]
