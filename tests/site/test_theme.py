"""The theme: the menu of each role, forms drawn by its partials, pages for what goes wrong, no script in a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django import forms
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.utils import translation

from khien.kernel.errors import Conflict
from khien.kernel.staff import Role
from tests.factories import make_account, make_province

SRC = Path(__file__).parents[2] / "src/khien"
TEMPLATES = sorted(path for path in SRC.rglob("templates/**/*.html"))


class Sample(forms.Form):
    name = forms.CharField(label="Họ tên", help_text="như trên giấy tờ")
    note = forms.CharField(label="Ghi chú", required=False)
    agreed = forms.BooleanField(label="Đồng ý")
    way = forms.ChoiceField(
        label="Cách", choices=[("a", "Gọi điện"), ("b", "Đến nhà")], widget=forms.RadioSelect
    )


def test_a_form_ties_errors_and_help_to_its_fields() -> None:
    with translation.override("vi"):
        page = str(Sample({"note": "x"}))
    assert 'aria-invalid="true"' in page
    described = re.search(r'<input[^>]*name="name"[^>]*aria-describedby="([^"]+)"', page)
    assert described
    for name in described[1].split():
        assert f'id="{name}"' in page
    assert '<a href="#id_name">' in page
    assert "không bắt buộc" in page.split('for="id_note"')[1].split("</label>")[0]
    assert "<fieldset" in page
    assert "<legend>Cách</legend>" in page


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(SRC)))
def test_no_template_has_a_script_or_a_style_of_its_own(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle\s*=|<style|\son[a-z]+\s*=\s*[\"']|javascript:|hx-on", text), path
    for opening in re.findall(r"<script[^>]*>", text):
        assert " src=" in opening or "application/json" in opening, opening
    assert not re.search(r"(src|href)=[\"'](https?:)?//", text), "nothing is loaded from elsewhere"


@pytest.mark.django_db
def test_the_menu_shows_what_the_role_opens_and_where_one_is(client: Client) -> None:
    province = make_province()[0]
    client.force_login(
        make_account(Role.LEADER, province), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    page = client.get("/desk/map/").content.decode()
    assert '<a href="/desk/map/" aria-current="page">' in page
    assert '<a href="/desk/">' in page
    assert "/quarantine/orders" not in page


@pytest.mark.django_db
def test_a_page_that_is_not_there_says_so_in_both_languages(client: Client) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "Không tìm thấy trang này" in answer.content.decode()
    english = client.get("/nowhere/", headers={"Accept-Language": "en"}).content.decode()
    assert "Page not found" in english
    assert '<html lang="en">' in english


def test_the_page_of_a_fault_needs_nothing_but_itself() -> None:
    page = Template((SRC / "site/templates/500.html").read_text(encoding="utf-8")).render(Context())
    assert "Máy chủ gặp lỗi" in page


@pytest.mark.django_db
def test_a_problem_names_the_way_out(rf: RequestFactory) -> None:
    request = rf.get("/")
    fault = Conflict("Ống mẫu này đã có kết quả.", way_out="Đính chính kết quả cũ.")
    page = render_to_string("problem.html", {"problem": fault}, request)
    assert "Ống mẫu này đã có kết quả." in page
    assert "Đính chính kết quả cũ." in page


@pytest.mark.django_db
def test_the_language_stays_once_chosen(client: Client) -> None:
    client.post("/language/setlang/", {"language": "en", "next": "/"})
    page = client.get("/").content.decode()
    assert "Residents" in page
    assert "Tiếng Việt" in page
