"""The laboratories' machine door."""

from __future__ import annotations

from typing import Literal

from django.http import HttpRequest
from ninja import Field, Router, Schema

from khien.kernel.doors.api import PROBLEMS, StaffAuth
from khien.rooms.testing import verbs
from khien.rooms.testing.models import Intake
from khien.rooms.testing.rows import ResultRow
from khien.rooms.testing.verbs.intake import MAX_ROWS

router = Router(tags=["testing"])


class ResultIn(Schema):
    """One result. `value`: positive, negative, indeterminate (or the Vietnamese words). `resulted_at`: ISO 8601,
    Viet Nam's time where no zone is given; empty means now."""

    barcode: str = Field(max_length=300)
    value: str = Field(max_length=60)
    resulted_at: str = Field("", max_length=40)
    ct_value: str = Field("", max_length=20)
    assay: str = Field("", max_length=60)


class ResultsIn(Schema):
    results: list[ResultIn] = Field(min_length=1, max_length=MAX_ROWS)


class RowOut(Schema):
    """What became of the row with this number (from 1). A held row says why and how to mend it; it is kept
    and shown to the laboratory."""

    row: int
    state: Literal["stored", "duplicate", "held"]
    code: str
    field: str
    message: str
    way_out: str


class IntakeOut(Schema):
    """received = stored + duplicate + held."""

    received: int
    stored: int
    duplicate: int
    held: int
    rows: list[RowOut]


@router.post(
    "/results",
    auth=StaffAuth(),
    response={200: IntakeOut, **PROBLEMS},
    summary="Send a batch of laboratory results",
    operation_id="send_results",
)
def send_results(request: HttpRequest, batch: ResultsIn) -> IntakeOut:
    """Each row is stored, found already there, or held with its reason; the same batch again stores nothing."""
    rows = [
        ResultRow(line=number, **{name: _plain(text) for name, text in row.dict().items()})
        for number, row in enumerate(batch.results, start=1)
    ]
    answer = verbs.import_results(request.actor, rows=rows, source=Intake.Source.API)  # type: ignore[attr-defined]
    intake = answer.intake
    return IntakeOut(
        received=intake.received,
        stored=intake.stored,
        duplicate=intake.duplicate,
        held=intake.held,
        rows=[
            RowOut(
                row=row.line,
                state=row.state,  # type: ignore[arg-type]
                code=row.code,
                field=row.field,
                message=row.message,
                way_out=row.way_out,
            )
            for row in answer.rows
        ],
    )


def _plain(text: str) -> str:
    """Without control characters, which no column of the database takes."""
    return "".join(letter for letter in text if letter.isprintable())
