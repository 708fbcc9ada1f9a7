"""The sheet: what is drawn is what is read back, whatever is sent changes nothing it should not."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import khien.rooms.declarations
from khien.kernel import clock
from khien.kernel.forms.fields import plain
from khien.kernel.forms.sheet import Sheet
from khien.kernel.forms.spec import FormError, Spec, compiled, holds
from khien.kernel.forms.telling import told
from khien.kernel.forms.units import Country
from tests.factories import NOON, make_province, make_unit

SEED = Path(khien.rooms.declarations.__file__).parent / "seed"


def shipped(key: str) -> Spec:
    form = json.loads((SEED / f"{key}.1.json").read_text("utf-8"))
    return compiled(form["schema"], form["ui"])


class Typed(HTMLParser):
    """What a browser would send of a page: the successful controls of its form."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = QueryDict(mutable=True)
        self._select = ""
        self._options: list[tuple[str, bool]] = []
        self._area: str | None = None
        self._text = ""
        self._templates = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        a = {name: value or "" for name, value in attrs}
        if tag == "template":
            self._templates += 1
        if self._templates:
            return
        if tag == "input":
            if a.get("type") in {"radio", "checkbox"} and "checked" not in a:
                return
            self.sent.appendlist(a["name"], a.get("value", "on" if a.get("type") == "checkbox" else ""))
        elif tag == "select":
            self._select, self._options = a["name"], []
        elif tag == "option" and self._select:
            self._options.append((a.get("value", ""), "selected" in a))
        elif tag == "textarea":
            self._area, self._text = a["name"], ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "template":
            self._templates -= 1
        elif self._templates:
            return
        elif tag == "select":
            chosen = [value for value, selected in self._options if selected] or [
                v for v, _s in self._options[:1]
            ]
            for value in chosen:
                self.sent.appendlist(self._select, value)
            self._select = ""
        elif tag == "textarea" and self._area is not None:
            self.sent.appendlist(self._area, self._text.removeprefix("\n"))
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._text += data


def drawn(sheet: Sheet) -> tuple[str, QueryDict]:
    html = render_to_string("forms/sheet.html", {"sheet": sheet})
    typed = Typed()
    typed.feed(html)
    return html, typed.sent


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=60).map(plain)


def values(spec: Spec, units: list[int]) -> st.SearchStrategy[dict[str, Any]]:
    """Answers that are right for a form."""

    def of(question: Any) -> st.SearchStrategy[Any]:
        match question.kind:
            case "text":
                most, least = question.schema["maxLength"], question.schema.get("minLength", 0)
                return NAMES.filter(lambda t: least <= len(t) <= most)
            case "number":
                return st.integers(question.schema.get("minimum", 0), question.schema.get("maximum", 9999))
            case "yes_no":
                return st.booleans()
            case "agree":
                return st.just(True)
            case "day":
                return st.dates(NOON.date().replace(year=1990), NOON.date()).map(lambda d: d.isoformat())
            case "phone":
                return st.integers(30_000_000, 99_999_999).map(lambda n: f"+849{n:08d}")
            case "identity":
                return st.integers(0, 10**12 - 1).map(lambda n: f"{n:012d}")
            case "choice":
                return st.sampled_from([key for key, _word in question.options])
            case "choices":
                keys = [key for key, _word in question.options]
                return st.sets(st.sampled_from(keys), min_size=1).map(lambda s: [k for k in keys if k in s])
        return st.sampled_from(units)

    @st.composite
    def one(draw: Any, items: list[Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for item in items:
            if not holds(item.when, made):
                continue
            if not item.required and not draw(st.booleans()):
                continue
            if hasattr(item, "questions"):
                made[item.name] = draw(
                    st.lists(one(list(item.questions)), min_size=max(1, item.least), max_size=3)
                )
            else:
                made[item.name] = draw(of(item))
        return made

    return one(spec.items)


@pytest.fixture
def units(db: None) -> list[int]:
    _province, district, commune = make_province()
    return [commune.pk, make_unit("Minh Khai", district).pk]


@pytest.mark.parametrize("key", ["health", "movement"])
def test_what_is_drawn_is_read_back(key: str, units: list[int]) -> None:
    spec = shipped(key)
    with clock.reads.frozen_at(NOON):
        country = Country()

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(values(spec, units))
        def check(value: dict[str, Any]) -> None:
            assert spec.problems(value) == []
            html, sent = drawn(Sheet(spec, value=value, country=country))
            again = Sheet(spec, data=sent, country=country)
            assert again.is_valid(), again.form.errors
            assert again.value == value
            if "number" in value:
                assert value["number"] not in html
            assert told(spec, again.value)

        check()


@pytest.mark.parametrize("key", ["health", "movement"])
def test_whatever_is_sent_gives_a_right_answer_or_complaints_and_never_a_fault(
    key: str, units: list[int]
) -> None:
    spec = shipped(key)
    names = sorted(
        {item.name for item in spec.items}
        | {
            f"{i.name}-{n}-{q.name}"
            for i in spec.items
            for q in getattr(i, "questions", ())
            for n in ("0", "1", "x")
        }
        | {f"{i.name}-row" for i in spec.items}
        | {"number-kept", "unit-province", "origin-province", "action", "nonsense"}
    )
    words = ["yes", "no", "on", "self", "other", "0", "1", "-1", "²", "٣", "9" * 40, "add:companions"]
    words += ["remove:visited:0", "add:nothing", "cccd:1:AAAA", "cccd::", "31/02/2022", "00000000", "+"]
    words += ["\ud800", "\0", "<script>"]
    text = st.one_of(st.sampled_from([*words, *map(str, units)]), st.text(max_size=300))
    with clock.reads.frozen_at(NOON):
        country = Country()

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.lists(st.tuples(st.sampled_from(names), text), max_size=60))
        def check(pairs: list[tuple[str, str]]) -> None:
            data = QueryDict(mutable=True)
            for name, value in pairs:
                data.appendlist(name, value)
            sheet = Sheet(spec, data=data, country=country)
            if sheet.is_valid():
                assert spec.problems(sheet.value) == []
            else:
                assert sheet.action or sheet.form.errors
            html, _sent = drawn(sheet)
            assert "<script>" not in html

        check()


def test_a_number_with_a_mistake_elsewhere_is_kept_without_being_shown(units: list[int]) -> None:
    with clock.reads.frozen_at(NOON):
        spec = shipped("health")
        data = QueryDict(mutable=True)
        data["number"] = "035 186 000 009"
        html, sent = drawn(Sheet(spec, data=data))
        assert "035186000009" not in html
        assert "4 ký tự cuối 0009" in html
        assert sent["number"] == ""
        second = Sheet(spec, data=sent)
        assert second.value["number"] == "035186000009"


def test_buttons_change_the_shape_and_complain_of_nothing(units: list[int]) -> None:
    with clock.reads.frozen_at(NOON):
        spec = shipped("health")
        data = QueryDict("action=add:companions&full_name=Hoa&visited-row=0&visited-0-from=nhầm")
        html, sent = drawn(Sheet(spec, data=data))
        assert sent.getlist("companions-row") == ["0"]
        assert sent["full_name"] == "Hoa"
        assert sent["visited-0-from"] == "nhầm"
        assert "field__error" not in html
        sent["action"] = "remove:companions:0"
        assert drawn(Sheet(spec, data=sent))[1].getlist("companions-row") == []


def test_each_mistake_stands_at_its_question_with_the_way_out(units: list[int]) -> None:
    with clock.reads.frozen_at(NOON):
        sheet = Sheet(
            shipped("health"),
            data=QueryDict(
                "full_name=Hoa&birth_year=86&phone=0912&has_symptoms=yes&been_elsewhere=yes&visited-row=0"
                "&visited-0-from=31/02/2022&number=12&consent="
            ),
        )
        wrong = {name: errors[0] for name, errors in sheet.form.errors.items()}
        assert wrong["birth_year"] == "Số quá nhỏ. Nhập từ 1900 trở lên."
        assert wrong["phone"].endswith("Số di động Việt Nam có 10 chữ số.")
        assert wrong["symptoms"] == "Chưa trả lời câu này. Chọn một mục."
        assert wrong["visited-0-from"].startswith("Không có ngày như vậy.")
        assert wrong["visited-0-unit"] == "Chưa trả lời câu này. Chọn một mục."
        assert wrong["consent"] == "Cần đánh dấu đồng ý thì mới gửi được."
        assert "in trên giấy" in wrong["number"]
        assert "sex" not in wrong


def test_an_answer_to_a_question_that_is_not_asked_is_dropped(units: list[int]) -> None:
    with clock.reads.frozen_at(NOON):
        data = QueryDict(
            "filled_by=self&helper_name=Ai đó&has_symptoms=no&symptoms=fever&been_elsewhere=no&visited-row=0"
        )
        value = Sheet(shipped("health"), data=data).value
        assert not {"helper_name", "symptoms", "visited"} & set(value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s, u: s["properties"].update(x={"type": "string"}), "order of questions"),
        (lambda s, u: s["properties"]["full_name"].pop("maxLength"), "cannot be asked"),
        (lambda s, u: s.update(additionalProperties=True), "additionalProperties"),
        (lambda s, u: s["allOf"].append({"if": {"properties": {"unit": {"minLength": 1}}}, "then": {}}), "if compares"),
        (lambda s, u: s["allOf"].append({"if": {"properties": {"consent": {"const": True}}, "required": ["consent"]},
                                         "then": {"properties": {"sex": {}}}}), "asked before"),
        (lambda s, u: s.update(type=7), "no JSON Schema"),
        (lambda s, u: u.pop("sections"), "sections"),
    ],
)  # fmt: skip
def test_a_form_that_page_script_and_validator_would_understand_differently_is_refused(
    change: Any, why: str
) -> None:
    form = json.loads((SEED / "health.1.json").read_text("utf-8"))
    change(form["schema"], form["ui"])
    with pytest.raises(FormError, match=why):
        compiled(form["schema"], form["ui"])
