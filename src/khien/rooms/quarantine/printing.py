"""The order on paper: one page, with a code by which anybody can check that it is genuine."""

from __future__ import annotations

from pathlib import Path

from khien.kernel import clock
from khien.kernel.documents import pdf, qr
from khien.kernel.language import dates
from khien.kernel.rules import reads as rules
from khien.rooms.quarantine import links, reads
from khien.rooms.quarantine.models import Order, OrderChange

TEMPLATE = Path(__file__).with_name("typst") / "order.typ"

# The wording of a decision is Vietnamese whatever language the screen speaks.
_SUBJECTS = {
    Order.Kind.HOME: "Về việc áp dụng biện pháp cách ly y tế tại nhà",
    Order.Kind.SITE: "Về việc áp dụng biện pháp cách ly y tế tập trung",
    Order.Kind.ISOLATION: "Về việc cách ly y tế đối với người mắc bệnh truyền nhiễm",
    Order.Kind.WATCH: "Về việc tự theo dõi sức khỏe tại nhà",
}
_MEASURES = {
    Order.Kind.HOME: "Áp dụng biện pháp cách ly y tế tại nhà",
    Order.Kind.SITE: "Áp dụng biện pháp cách ly y tế tập trung",
    Order.Kind.ISOLATION: "Áp dụng biện pháp cách ly y tế",
    Order.Kind.WATCH: "Yêu cầu tự theo dõi sức khỏe",
}


def order_pdf(order: Order) -> bytes:
    """The PDF of an order in force or closed (one A4 page)."""
    kind = Order.Kind(order.kind)
    signed_at = order.signed_at or order.created_at
    text = rules.on("quarantine.order_text", clock.local(signed_at).date()).value
    where = order.site.name if order.site is not None else order.address or order.person.address
    last_change = order.changes.exclude(kind=OrderChange.Kind.SIGNED).order_by("at", "pk").last()
    return pdf.render(
        TEMPLATE,
        {
            "authority": order.unit.full_name,
            "number": order.number or "",
            "place_and_day": f"{order.unit.name}, {dates.official(clock.local(signed_at).date())}",
            "subject": _SUBJECTS[kind],
            "basis": order.legal_basis,
            "measure": _MEASURES[kind],
            "name": order.person.full_name,
            "birth_year": order.person.birth_year or "chưa rõ",
            "address": ", ".join(part for part in (order.address, order.unit.full_name) if part),
            "where": where or order.unit.full_name,
            "reason": _reason(order),
            "start": dates.moment(order.starts_at),
            "last_day": dates.short(reads.last_day(order)),
            "watch_until": dates.short(order.watch_until)
            if order.watch_until is not None and order.watch_until > reads.last_day(order)
            else None,
            "changed": None
            if last_change is None
            else f"{_changed(last_change)} lúc {dates.moment(last_change.at)}",
            "duties": text["duties"][order.kind],
            "call": text["call"],
            "signed_by": order.signed_by_name,
            "signed_at": dates.moment(signed_at),
            "qr": qr.svg(links.verify_url(order.pk), error="m"),
        },
    )


def file_name(order: Order) -> str:
    """A name for the file that says which order, not whose."""
    number = (order.number or str(order.pk)).split("/QĐ")[0].replace("/", "-")
    return f"quyet-dinh-cach-ly-{number}.pdf"


def _reason(order: Order) -> str:
    day = dates.short(clock.local(order.counted_from).date())
    if order.degree == 0:
        return f"có kết quả xét nghiệm dương tính, mẫu lấy ngày {day}"
    return f"người tiếp xúc (F{order.degree}), lần tiếp xúc cuối ngày {day}"


def _changed(change: OrderChange) -> str:
    return {
        OrderChange.Kind.EXTENDED: "đã gia hạn",
        OrderChange.Kind.ENDED_EARLY: "đã kết thúc sớm",
        OrderChange.Kind.ENDED: "đã hết thời hạn",
        OrderChange.Kind.REPLACED: "đã thay bằng quyết định khác",
        OrderChange.Kind.CANCELLED: "đã hủy",
        OrderChange.Kind.MOVED: "đã đổi nơi cách ly",
    }[OrderChange.Kind(change.kind)]
