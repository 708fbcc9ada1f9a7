"""Templates of bulletins, and the phones that get every test."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from khien.gateways.sms.text import measure
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.staff import Role
from khien.rooms.broadcasts.forms import BulletinTemplateForm, TestNumberForm
from khien.rooms.broadcasts.models import READERS
from khien.rooms.broadcasts.reads import bulletins as reads
from khien.rooms.broadcasts.verbs import templates as verbs


@staff_page(*READERS)
def index(request: Request) -> HttpResponse:
    """The templates that there are."""
    rows = [(row, reads.template_names(row)) for row in reads.templates(with_retired=True)]
    context = {"rows": rows, "may_write": request.actor.has(*verbs.KEEPERS)}
    return render(request, "broadcasts/bulletins/templates.html", context)


@staff_page(*verbs.KEEPERS)
def template(request: Request, code: str = "") -> HttpResponse:
    """A new template, or a new wording of one; the older wordings stay below."""
    newest = reads.template_version(code) if code else None
    initial = (
        {
            "code": code,
            "name": newest.template.name,
            "title": newest.title,
            "body": newest.body,
            "sms": newest.sms,
            "number": newest.number,
        }
        if newest
        else {}
    )
    form = BulletinTemplateForm(request.POST or None, initial=initial)
    if newest is not None:
        form.fields["code"].disabled = True
    problem = None
    if request.method == "POST" and "retire" in request.POST and newest is not None:
        verbs.retire_bulletin_template(request.actor, code=code)
        messages.success(request, _("Mẫu này không còn được dùng cho bản tin mới."))
        return redirect("broadcasts:bulletin_templates")
    if request.method == "POST" and form.is_valid():
        try:
            verbs.write_bulletin_template(request.actor, **form.cleaned_data)
        except Problem as wrong:
            problem = wrong
            if wrong.field in form.fields:
                form.add_error(wrong.field, str(wrong))
                problem = None
        else:
            messages.success(request, _("Đã lưu mẫu."))
            return redirect("broadcasts:bulletin_templates")
    sms = form["sms"].value() or ""
    context = {
        "form": form,
        "problem": problem,
        "newest": newest,
        "size": measure(sms) if sms.strip() else None,
        "older": newest.template.versions.order_by("-number")[1:20] if newest else [],
    }
    status = problem.status if problem else 422 if form.errors else 200
    return render(request, "broadcasts/bulletins/template.html", context, status=status)


@staff_page(Role.ADMINISTRATOR)
def test_numbers(request: Request) -> HttpResponse:
    """The fixed list of phones for tests."""
    form, problem = TestNumberForm(request.POST if "add" in request.POST else None), None
    if request.method == "POST" and "remove" in request.POST:
        verbs.remove_test_number(request.actor, number=request.POST["remove"])
        messages.success(request, _("Đã bỏ số này."))
        return redirect("broadcasts:test_numbers")
    if request.method == "POST" and form.is_valid():
        try:
            verbs.add_test_number(request.actor, **form.cleaned_data)
        except Problem as wrong:
            problem = wrong
            if wrong.field in form.fields:
                form.add_error(wrong.field, str(wrong))
                problem = None
        else:
            messages.success(request, _("Đã thêm số thử."))
            return redirect("broadcasts:test_numbers")
    context = {"form": form, "problem": problem, "rows": reads.test_numbers()}
    status = problem.status if problem else 422 if form.errors else 200
    return render(request, "broadcasts/bulletins/test_numbers.html", context, status=status)
