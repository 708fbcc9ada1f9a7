"""What was deleted each day: for the public and for auditors."""

from __future__ import annotations

import csv

from django.http import HttpResponse
from django.shortcuts import render

from khien.desk import deletions
from khien.kernel.doors import Request, public_page


@public_page
def log(request: Request) -> HttpResponse:
    """The log of the last sixty days: counts by rule, and the seal over each day."""
    return render(request, "desk/deletions.html", {"days": deletions.days()})


@public_page
def log_csv(request: Request) -> HttpResponse:
    """The same log of a year as CSV (UTF-8 with a mark)."""
    answer = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="khien-deletions.csv"'
    writer = csv.writer(answer)
    writer.writerow(["day", "rule", "kept_from", "deleted", "left", "failed", "seal", "digest"])
    for day in deletions.days(366):
        for row in day.rows:
            writer.writerow(
                [day.day, row.key, row.before, row.gone, row.left, int(row.failed), day.seal, day.digest]
            )
        if not day.rows:
            writer.writerow([day.day, "", "", 0, 0, 0, day.seal, day.digest])
    return answer
