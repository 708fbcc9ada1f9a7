"""People of the ledger as a register for bulletins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.people.models import Sex
from khien.kernel.registries import Register, RegisterFilter, registers

OLDEST = 130


def announce() -> None:
    """Called once by the app."""
    registers.add(
        "people",
        Register(
            label=_("Người dân trong sổ"),
            rows=rows,
            filters={
                "age_from": RegisterFilter(_("Từ tuổi"), "number", most=OLDEST),
                "age_to": RegisterFilter(_("Đến hết tuổi"), "number", most=OLDEST),
                "sex": RegisterFilter(
                    _("Giới tính"), "choice", ((Sex.MALE.value, _("Nam")), (Sex.FEMALE.value, _("Nữ")))
                ),
                "nationality": RegisterFilter(
                    _("Quốc tịch"),
                    "choice",
                    (("vn", _("Việt Nam")), ("foreign", _("Nước ngoài"))),
                ),
                "declared": RegisterFilter(
                    _("Khai báo y tế"),
                    "choice",
                    (("yes", _("Còn hiệu lực")), ("no", _("Không có hoặc đã hết hạn"))),
                ),
                "main_only": RegisterFilter(_("Chỉ số chính của mỗi người"), "flag"),
            },
            placeholders={"name": _("Họ tên"), "birth_year": _("Năm sinh")},
            order=10,
        ),
    )


def rows(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Every phone of the people, and a row without phone for whoever has none. Ages count by the year of birth,
    which is all that is known of many; who has none is left out when ages are asked for."""
    where, values = ["p.merged_into_id IS NULL"], dict[str, Any]()
    year = clock.today().year
    if (age := filters.get("age_from")) is not None:
        where.append("p.birth_year <= %(born_until)s")
        values["born_until"] = year - age
    if (age := filters.get("age_to")) is not None:
        where.append("p.birth_year >= %(born_since)s")
        values["born_since"] = year - age
    if sex := filters.get("sex"):
        where.append("p.sex = %(sex)s")
        values["sex"] = sex
    if nationality := filters.get("nationality"):
        where.append("p.nationality = 'VN'" if nationality == "vn" else "p.nationality <> 'VN'")
    if declared := filters.get("declared"):
        values["now"] = clock.now()
        where.append(
            f"{'NOT ' if declared == 'no' else ''}EXISTS (SELECT FROM standing_standing s WHERE s.person_id = p.id"
            " AND s.kind = 'declared' AND s.during @> %(now)s::timestamptz)"
        )
    main = " AND f.is_main" if filters.get("main_only") else ""
    return (
        "SELECT p.id AS person_id, f.number AS phone, p.unit_id"  # noqa: S608 - own texts
        ", CASE WHEN f.is_main THEN 0 ELSE 1 END AS rank,"
        " p.full_name AS name, p.birth_year::text AS birth_year"
        f" FROM people_person p LEFT JOIN people_phone f ON f.person_id = p.id{main}"
        f" WHERE {' AND '.join(where)}",
        values,
    )
