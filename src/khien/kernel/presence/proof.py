"""That the engine's copies hold no stay that the record has forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from django.conf import settings

from khien.kernel.presence import segments
from khien.kernel.presence.stays import to_day


def old_segments(before: date) -> Iterator[str]:
    """Days before `before` in the segments of this machine and in the shards of a cluster, by manifest and by file."""
    from khien.engine.store import Store

    folder = Path(settings.KHIEN_DATA) / "segments"
    if folder.is_dir():
        manifest = Store(folder).manifest()
        for number in sorted(manifest.days):
            if (day := to_day(number)) < before:
                yield f"the engine's segments hold {day}"
        named = {entry.file for entry in manifest.days.values()}
        for path in sorted(folder.glob("*.segment")):
            text = path.name.split("-", 1)[0]  # days since 1970-01-01
            if path.name not in named and text.isdigit() and to_day(int(text)) < before:
                yield f"the file {path.name} of the engine's segments is left"
    if settings.KHIEN_CLUSTER:
        from khien.engine.cluster.hosts import Unreachable

        try:
            statuses = segments.shards()
        except Unreachable:
            yield "the cluster's shards do not answer, so nothing can be shown of them"
            return
        for number, status in enumerate(statuses):
            if status.stays and (day := to_day(status.first_day)) < before:
                yield f"shard {number} holds {day}"
