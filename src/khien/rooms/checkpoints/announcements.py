"""What the room tells the house about itself."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from khien.kernel.people.references import refers_to_person
from khien.kernel.presence import verbs as presence
from khien.kernel.registries import (
    Holding,
    MenuEntry,
    PersonPanel,
    RetentionRule,
    SearchEntry,
    Tick,
    holdings,
    menu,
    person_panels,
    resident_menu,
    retention,
    search_entries,
    ticks,
)
from khien.kernel.staff import Role
from khien.rooms.checkpoints import coverage, jobs, reads, verbs


def announce() -> None:
    """Fill the registries; called once when the app is ready."""
    keepers = frozenset({Role.COMMUNE_OFFICER, Role.ADMINISTRATOR})
    menu.add(
        "checkpoints.scan",
        MenuEntry(_("Quét mã"), "checkpoints:scan", frozenset({Role.GUARD, Role.COMMUNE_OFFICER}), 20),
    )
    menu.add("checkpoints.places", MenuEntry(_("Địa điểm"), "checkpoints:places", keepers, 60))
    menu.add(
        "checkpoints.coverage",
        MenuEntry(_("Phủ quét"), "checkpoints:coverage", frozenset(coverage.READERS), 58),
    )
    menu.add(
        "checkpoints.prints",
        MenuEntry(_("Lệnh in"), "checkpoints:prints", keepers | {Role.CLERK}, 61),
    )
    resident_menu.add("checkpoints.pass", MenuEntry(_("Thẻ của tôi"), "checkpoints:pass", frozenset(), 10))
    menu.add(
        "checkpoints.cards",
        MenuEntry(_("Thẻ"), "checkpoints:cards", frozenset({Role.COMMUNE_OFFICER, Role.CLERK}), 59),
    )
    menu.add("checkpoints.held", MenuEntry(_("Lượt quét bị giữ"), "checkpoints:held", keepers, 62))
    menu.add(
        "checkpoints.typed",
        MenuEntry(_("Người không có mã"), "checkpoints:typed", frozenset({Role.COMMUNE_OFFICER}), 63),
    )
    menu.add(
        "checkpoints.devices",
        MenuEntry(
            _("Thiết bị"),
            "checkpoints:devices",
            frozenset({Role.ADMINISTRATOR, Role.COMMUNE_OFFICER}),
            64,
        ),
    )
    person_panels.add(
        "checkpoints.stays",
        PersonPanel(_("Nơi đã đến và thẻ"), "checkpoints/_stays.html", reads.recent_stays, 30),
    )
    search_entries.add("checkpoints.places", SearchEntry(_("Địa điểm"), reads.find_places, 30))
    retention.add("presence", RetentionRule(_("Lượt vào/ra"), "retention.presence", presence.forget))
    retention.add(
        "checkpoints.scans", RetentionRule(_("Lượt quét gốc"), "retention.scans", jobs.forget_scans)
    )
    retention.add(
        "checkpoints.scan_ids", RetentionRule(_("Mã lượt quét"), "retention.scan_ids", jobs.forget_scan_ids)
    )
    retention.add(
        "checkpoints.held", RetentionRule(_("Lượt quét bị giữ"), "retention.held", jobs.forget_held)
    )
    retention.add(
        "checkpoints.card_lists",
        RetentionRule(_("Danh sách in thẻ và dòng bị giữ"), "retention.held", verbs.forget_card_lists),
    )
    holdings.add("checkpoints.card_lists", Holding("checkpoints.card_lists", "checkpoints_cardlist", "at"))
    retention.add("checkpoints.prints", RetentionRule(_("Trang in"), "retention.prints", verbs.forget_prints))
    retention.add(
        "checkpoints.coverage",
        RetentionRule(_("Số liệu phủ quét"), "retention.coverage", verbs.forget_coverage),
    )
    ticks.add("checkpoints.coverage", Tick(jobs.count_coverage, 300.0, "coverage of the last days in counts"))
    retention.add(
        "checkpoints.typed",
        RetentionRule(_("Người không có mã, nhập tay ở chốt"), "retention.scans", jobs.forget_typed),
    )
    ticks.add("checkpoints.derive", Tick(jobs.derive_when_due, 0.3, "presence from new scans"))
    ticks.add("checkpoints.link", Tick(jobs.link_unknown_people, 60.0, "scans of people registered later"))
    ticks.add("checkpoints.bundle", Tick(jobs.build_bundle, 60.0, "what devices at gates know of people"))
    ticks.add("checkpoints.days", Tick(jobs.prepare_days_ahead, 300.0, "partitions of the coming days"))
    refers_to_person("checkpoints.Scan", "person_id", ("day", "id"))
    holdings.add("checkpoints.scans", Holding("checkpoints.scans", "checkpoints_scan", "day"))
    holdings.add("checkpoints.scan_ids", Holding("checkpoints.scan_ids", "checkpoints_scanid", "day"))
    holdings.add("checkpoints.typed", Holding("checkpoints.typed", "checkpoints_typedperson", "at"))
    holdings.add(
        "checkpoints.prints",
        Holding("checkpoints.prints", "checkpoints_printrun", "made_at", "gone_at IS NULL"),
    )
    for counted in ("placecoverage", "communecoverage"):
        holdings.add(
            f"checkpoints.{counted}", Holding("checkpoints.coverage", f"checkpoints_{counted}", "day")
        )
    holdings.add("checkpoints.held", Holding("checkpoints.held", "checkpoints_heldscan", "received_at"))
