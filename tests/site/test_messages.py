"""Every text has its English, and what browsers get is compiled from it (`make messages`)."""

from __future__ import annotations

import gettext
import io
import re

import pytest

from tools import messages


@pytest.fixture(scope="module")
def absent() -> dict[str, list[str]]:
    return messages.missing()


@pytest.mark.parametrize("app", [messages.app_name(app) for app in messages.apps()])
def test_every_text_of_an_app_has_its_english(app: str, absent: dict[str, list[str]]) -> None:
    missing = absent.get(app, [])
    assert not missing, f"{app}: {len(missing)} texts without English:\n" + "\n".join(missing)


def test_compiled_catalogues_match_their_sources() -> None:
    assert messages.stale() == []


@pytest.mark.parametrize(
    "catalogue", messages.catalogues(), ids=lambda c: str(c.path.relative_to(messages.SOURCE))
)
def test_translations_keep_the_places_for_values(catalogue: messages.Catalogue) -> None:
    def places(text: str) -> set[str]:
        return set(re.findall(r"%\(\w+\)|%[sdf]", text))

    for (_context, text, plural), said in catalogue.texts.items():
        for one in said:
            if one:
                assert places(one) <= places(text) | places(plural), text


def test_python_and_template_texts_are_found() -> None:
    source = '_("Một" " hai")\nngettext("%(n)s ca", "%(n)s các ca", n)\nx.gettext_lazy("Ba")\n_(name)'
    assert list(messages.python_texts(source)) == [
        ("", "Một hai", ""),
        ("", "%(n)s ca", "%(n)s các ca"),
        ("", "Ba", ""),
    ]
    template = """{% load i18n %}{% translate "Lưu" %}{% translate 'Ghi "rõ"' as x %}
    {% blocktranslate with n=total %}{{ n }} ca{% endblocktranslate %}
    {% blocktranslate count n=total %}{{ n }} ca{% plural %}{{ n }} nhiều ca{% endblocktranslate %}
    {% include "a.html" with title=_("Tên") %}"""
    assert set(messages.template_texts(template)) == {
        ("", "Lưu", ""),
        ("", 'Ghi "rõ"', ""),
        ("", "%(n)s ca", ""),
        ("", "%(n)s ca", "%(n)s nhiều ca"),
        ("", "Tên", ""),
    }


def test_a_compiled_catalogue_is_read_by_gettext(tmp_path) -> None:
    path = tmp_path / "locale/en/LC_MESSAGES/django.po"
    catalogue = messages.Catalogue(path)
    catalogue.texts = {
        ("", "Đã lưu “%(name)s”", ""): ["Saved “%(name)s”"],
        ("", "%(n)s ca", "%(n)s ca "): ["%(n)s case", "%(n)s cases"],
        ("", "Chưa dịch", ""): [""],
    }
    messages.write_po(catalogue)
    again = messages.read_po(path)
    assert again.texts == catalogue.texts
    assert again.missing() == ["Chưa dịch"]
    read = gettext.GNUTranslations(io.BytesIO(messages.compile_mo(again)))
    assert read.gettext("Đã lưu “%(name)s”") == "Saved “%(name)s”"
    assert read.ngettext("%(n)s ca", "%(n)s ca ", 2) == "%(n)s cases"
    assert read.gettext("Chưa dịch") == "Chưa dịch"
