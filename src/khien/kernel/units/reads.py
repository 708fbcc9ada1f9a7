from __future__ import annotations

from khien.kernel.units.models import AdminUnit, UnitSuccession


def scope_paths(unit_id: int) -> tuple[str, ...]:
    """The path of a unit and those of all units that it wholly took over: what a grant on it opens.

    A unit taken over in part stays with the tier above: nobody may see more than their own people.
    """
    paths: list[str] = []
    todo = {unit_id}
    seen: set[int] = set()
    while todo:
        seen |= todo
        paths += [
            path for path in AdminUnit.objects.filter(pk__in=todo).values_list("path", flat=True) if path
        ]
        todo = (
            set(
                UnitSuccession.objects.filter(
                    successor__in=todo, share=UnitSuccession.Share.FULL
                ).values_list("predecessor_id", flat=True)
            )
            - seen
        )
    return tuple(sorted(paths))
