"""A form in somebody's hands: drawn empty or filled, read back, its mistakes beside their questions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from khien.kernel.forms.fields import field_of
from khien.kernel.forms.spec import Item, Question, Rows, Section, Spec, holds
from khien.kernel.forms.units import Country

ACTION = "action"
_INDEX = re.compile(r"[0-9]{1,3}")


class _Form(forms.Form):
    use_required_attribute = False

    def keep_quiet(self) -> None:
        """Show what was typed without saying what is wrong with it."""
        self._errors = forms.utils.ErrorDict()
        self.cleaned_data: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the page draws it: `bound` is Django's bound field, `when` the condition as JSON for the script,
    `unless` the same for people without one."""

    question: Question
    bound: Any
    when: str = ""
    unless: str = ""
    prefix: str = ""
    is_rows: bool = False


@dataclass(frozen=True, slots=True)
class AskedRows:
    """Rows as the page draws them; `blank` is one more for the script, under the index `__i__`."""

    rows: Rows
    each: list[AskedRow]
    blank: AskedRow
    when: str = ""
    unless: str = ""
    prefix: str = ""
    error: str = ""
    is_rows: bool = True

    @property
    def full(self) -> bool:
        return len(self.each) >= self.rows.most


@dataclass(frozen=True, slots=True)
class AskedRow:
    index: str
    title: str
    items: list[Asked]


@dataclass(frozen=True, slots=True)
class AskedSection:
    section: Section
    asked: list[Asked | AskedRows] = field(default_factory=list)


class Sheet:
    """`data` is what a page sent (a QueryDict, or any mapping with `getlist`); `value` an answer to show.

    `action` is "" when the sheet was sent to be taken; else the sheet only changes its shape (a row more or less,
    the communes of a province) and is to be drawn again, without complaints. Then `is_valid()` and `value`.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        data: Any = None,
        value: Mapping[str, Any] | None = None,
        home: int | None = None,
        units_url: str = "",
        country: Country | None = None,
    ) -> None:
        self.spec = spec
        self.country = country or Country(home=home, url=units_url)
        self.action = str(data.get(ACTION) or "") if data is not None else ""
        self._indexes: dict[str, list[str]] = {}
        for item in spec.items:
            if isinstance(item, Rows):
                self._indexes[item.name] = _indexes(item, data, value)
        if self.action:
            self._reshape()
        fields: dict[str, forms.Field] = {}
        initial: dict[str, Any] = {}
        for item in spec.items:
            if isinstance(item, Question):
                fields[item.name] = self._field(item)
                if value is not None and item.name in value:
                    initial[item.name] = value[item.name]
                continue
            given = list((value or {}).get(item.name, ()))
            for place, index in enumerate(self._indexes[item.name]):
                for question in item.questions:
                    name = f"{item.name}-{index}-{question.name}"
                    fields[name] = self._field(question, f"{item.row_title} {place + 1}: ")
                    if place < len(given) and question.name in given[place]:
                        initial[name] = given[place][question.name]
        self.form = _made(fields, data=data, initial=initial)
        self._value: dict[str, Any] = {}
        self._row_errors: dict[str, str] = {}
        if data is not None and not self.action:
            self._read()
        elif data is not None:
            # Drawn again with what was typed and no complaint: nobody has said that they are done.
            self.form.keep_quiet()

    def is_valid(self) -> bool:
        """Whether the sheet was sent to be taken and can be."""
        return self.form.is_bound and not self.action and not self.form.errors

    @property
    def value(self) -> dict[str, Any]:
        """The answers as JSON; those to questions that their own condition leaves out are left out."""
        return self._value

    def add_error(self, name: str | None, text: str) -> None:
        """A complaint from beyond the form, e.g. of a verb; beside the question where there is one of that name."""
        self.form.add_error(name if name in self.form.fields else None, text)

    # Reading ----------------------------------------------------------------------------------------

    def _read(self) -> None:
        self.form.full_clean()
        told: dict[str, Any] = {}
        skipped: set[str] = set()
        for item in self.spec.items:
            if not holds(item.when, told):
                skipped |= {n for n in self.form.fields if n == item.name or n.startswith(f"{item.name}-")}
                continue
            if isinstance(item, Question):
                found = self.form.cleaned_data.get(item.name)
                if found is not None:
                    told[item.name] = found
                continue
            rows = []
            for index in self._indexes[item.name]:
                row: dict[str, Any] = {}
                for question in item.questions:
                    name = f"{item.name}-{index}-{question.name}"
                    if not holds(question.when, row):
                        skipped.add(name)
                    elif (found := self.form.cleaned_data.get(name)) is not None:
                        row[question.name] = found
                rows.append(row)
            if rows or item.required:
                told[item.name] = rows
        errors = self.form.errors
        for name in skipped & set(errors):
            del errors[name]
        for fault in self.spec.problems(told):
            for name, text in self._faults(fault):
                if name in self._indexes:
                    self._row_errors.setdefault(name, text)
                elif name in self.form.fields:
                    if name not in errors:
                        self.form.add_error(name, ValidationError(text))
                else:
                    self.form.add_error(None, ValidationError(text))
        for name, text in self._row_errors.items():
            title = next(item.title for item in self.spec.items if item.name == name)
            self.form.add_error(None, ValidationError(f"{title}: {text}"))
        self._value = told

    def _faults(self, fault: Any) -> list[tuple[str, str]]:
        """(field, sentence) for a fault of the schema."""
        path = list(fault.absolute_path)
        if fault.validator == "required":
            missing = [name for name in fault.validator_value if name not in fault.instance]
            return [(self._name([*path, name]), _missing(self._question([*path, name]))) for name in missing]
        return [(self._name(path), _wrong(fault))]

    def _name(self, path: list[Any]) -> str:
        if not path:
            return ""
        if len(path) >= 3 and path[0] in self._indexes:
            return f"{path[0]}-{self._indexes[path[0]][path[1]]}-{path[2]}"
        return str(path[0])

    def _question(self, path: list[Any]) -> Item | None:
        found = next((item for item in self.spec.items if path and item.name == path[0]), None)
        if isinstance(found, Rows) and len(path) >= 3:
            return next((q for q in found.questions if q.name == path[2]), None)
        return found

    # Drawing ----------------------------------------------------------------------------------------

    @property
    def sections(self) -> list[AskedSection]:
        return [
            AskedSection(section, [self._asked(item, section.items) for item in section.items])
            for section in self.spec.sections
        ]

    def _asked(self, item: Item, _around: tuple[Item, ...]) -> Asked | AskedRows:
        when, unless = self._when(item, self.spec.items)
        if isinstance(item, Question):
            return Asked(item, self.form[item.name], when, unless)
        each = [
            self._row(item, index, number, self.form)
            for number, index in enumerate(self._indexes[item.name], start=1)
        ]
        fields = {f"{item.name}-__i__-{q.name}": self._field(q) for q in item.questions}
        blank = self._row(item, "__i__", 0, _made(fields, data=None, initial={}))
        return AskedRows(item, each, blank, when, unless, error=self._row_errors.get(item.name, ""))

    def _row(self, item: Rows, index: str, number: int, form: forms.Form) -> AskedRow:
        prefix = f"{item.name}-{index}-"
        return AskedRow(
            index,
            f"{item.row_title} {number}" if number else item.row_title,
            [
                Asked(q, form[f"{prefix}{q.name}"], *self._when(q, list(item.questions)), prefix=prefix)
                for q in item.questions
            ],
        )

    def _when(self, item: Item, among: list[Any]) -> tuple[str, str]:
        if not item.when:
            return "", ""
        titles = {other.name: other for other in among}
        said = [
            _("“%(question)s” là “%(answer)s”")
            % {
                "question": titles[name].title,
                "answer": " / ".join(_word(titles[name], value) for value in wanted),
            }
            for name, wanted in item.when.items()
        ]
        words = {
            name: ["yes" if value is True else "no" if value is False else value for value in wanted]
            for name, wanted in item.when.items()
        }
        return json.dumps(words, ensure_ascii=False), _("Trả lời nếu %(when)s.") % {"when": ", ".join(said)}

    def _field(self, question: Question, before: str = "") -> forms.Field:
        made = field_of(question, country=self.country) if question.kind == "unit" else field_of(question)
        made.label = f"{before}{question.title}"
        return made

    def _reshape(self) -> None:
        """Do what a button of the sheet asks: "add:companions", "remove:companions:3"; anything else is a redraw."""
        word, _colon, rest = self.action.partition(":")
        name, _colon, index = rest.partition(":")
        rows = next((i for i in self.spec.items if isinstance(i, Rows) and i.name == name), None)
        if rows is None:
            return
        there = self._indexes[name]
        if word == "add" and len(there) < rows.most:
            there.append(str(max((int(i) for i in there), default=-1) + 1))
        elif word == "remove" and index in there:
            there.remove(index)


def _made(fields: dict[str, forms.Field], *, data: Any, initial: dict[str, Any]) -> _Form:
    made: type[_Form] = type("SheetForm", (_Form,), dict(fields))
    return made(data, initial=initial)


def _indexes(rows: Rows, data: Any, value: Mapping[str, Any] | None) -> list[str]:
    if data is not None:
        given = [i for i in dict.fromkeys(data.getlist(f"{rows.name}-row")) if _INDEX.fullmatch(i)]
        given = list(dict.fromkeys(str(int(i)) for i in given))
        return given[: rows.most + 1]
    shown = max(len((value or {}).get(rows.name, ())), rows.least)
    return [str(number) for number in range(shown)]


def _word(question: Any, value: Any) -> str:
    if isinstance(value, bool):
        return _("Có") if value else _("Không")
    return str(dict(question.options).get(value, value))


def _missing(item: Item | None) -> str:
    if isinstance(item, Rows):
        return _("Chưa có dòng nào. Thêm ít nhất một dòng.")
    kind = item.kind if item is not None else ""
    if kind == "agree":
        return _("Cần đánh dấu đồng ý thì mới gửi được.")
    if kind in {"yes_no", "choice", "choices", "unit"}:
        return _("Chưa trả lời câu này. Chọn một mục.")
    return _("Chưa trả lời câu này. Điền vào ô.")


def _wrong(fault: Any) -> str:
    limit = fault.validator_value
    match fault.validator:
        case "maxLength":
            return _("Dài quá %(limit)d chữ. Viết gọn lại.") % {"limit": limit}
        case "minLength":
            return _("Ngắn quá: cần ít nhất %(limit)d chữ. Viết đầy đủ hơn.") % {"limit": limit}
        case "minimum":
            return _("Số quá nhỏ. Nhập từ %(limit)d trở lên.") % {"limit": limit}
        case "maximum":
            return _("Số quá lớn. Nhập từ %(limit)d trở xuống.") % {"limit": limit}
        case "minItems":
            return _("Còn thiếu. Cần ít nhất %(limit)d.") % {"limit": limit}
        case "maxItems":
            return _("Nhiều quá %(limit)d. Bớt đi, hoặc khai thành nhiều tờ.") % {"limit": limit}
        case "const":
            return _("Cần đánh dấu đồng ý thì mới gửi được.")
    return _("Câu trả lời không đúng dạng. Trả lời lại câu này.")
