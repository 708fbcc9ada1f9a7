from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from django.utils.functional import Promise

from khien.kernel.limits import Limit
from khien.kernel.staff.actors import Actor

T = TypeVar("T")


class Registry(Generic[T]):
    """A named list that rooms add to at start; a key stands once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._entries: dict[str, T] = {}

    def add(self, key: str, entry: T) -> None:
        """Announce an entry. Raises `LookupError` when the key is taken."""
        if key in self._entries:
            raise LookupError(f"{self.name}: {key!r} is announced twice")
        self._entries[key] = entry

    def get(self, key: str) -> T:
        return self._entries[key]

    def items(self) -> list[tuple[str, T]]:
        return sorted(self._entries.items())

    def __iter__(self) -> Iterator[T]:
        return iter([entry for _key, entry in self.items()])

    def __len__(self) -> int:
        return len(self._entries)


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A page in the staff navigation, for those who hold one of the roles."""

    label: str | Promise
    url_name: str
    roles: frozenset[str]
    order: int


@dataclass(frozen=True, slots=True)
class DeskWidget:
    """A tile of the situation board: `read(actor)` gives the context of `template`."""

    title: str | Promise
    template: str
    read: Callable[[Actor], dict[str, Any]]
    roles: frozenset[str]
    order: int


@dataclass(frozen=True, slots=True)
class PersonPanel:
    """A section of the person page: `read(actor, person_id)` gives the context of `template`, or None
    when the actor has nothing to see there."""

    title: str | Promise
    template: str
    read: Callable[[Actor, int], dict[str, Any] | None]
    order: int


@dataclass(frozen=True, slots=True)
class SearchHit:
    label: str
    detail: str
    url: str
    rank: float


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """Something the one search finds: `find(actor, text, limit)` gives hits, best first."""

    title: str | Promise
    find: Callable[[Actor, str, int], list[SearchHit]]
    order: int


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """`forget(before)` removes what is older than the Vietnamese day `before` and returns how many rows went.

    `rule_key` names the rule whose value has `{"days": n}`.
    """

    title: str | Promise
    rule_key: str
    forget: Callable[[date], int]


@dataclass(frozen=True, slots=True)
class Holding:
    """Where a retention rule's rows lie, so that it can be shown that none is left that is too old.

    `rule` is the rule's key in the registry `retention`; `column` a date (a Vietnamese day) or a moment of `table`;
    `where` narrows to the rows that the rule is about (`%(edge)s` is the day or moment before which they must be gone).
    All are texts of our own code, never from outside.
    """

    rule: str
    table: str
    column: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class RetentionCheck:
    """A place outside of tables that may hold what a rule forgets: `find(before)` gives a sentence for each thing that
    is from before the Vietnamese day `before` and still there."""

    rule_key: str
    find: Callable[[date], Iterable[str]]


@dataclass(frozen=True, slots=True)
class HelpTask:
    """Something that staff do for a person at a desk: the page where it begins ("": the session's own), all pages
    that belong to it (names of addresses of resident pages, or "room:*"), and the roles that may do it for somebody."""

    label: str | Promise
    url_name: str
    pages: frozenset[str]
    roles: frozenset[str]
    order: int

    def allows(self, view_name: str) -> bool:
        """Whether the page with that name belongs to the task."""
        return view_name in self.pages or f"{view_name.split(':', 1)[0]}:*" in self.pages


@dataclass(frozen=True, slots=True)
class Tick:
    """Something that the ticker runs again and again: cheap when there is nothing to do, idempotent.

    `every_s` is real seconds between two runs; business schedules ("each morning") look at the clock inside.
    """

    run: Callable[[], object]
    every_s: float
    meaning: str


@dataclass(frozen=True, slots=True)
class MeetingsSeen:
    """Which share (0 to 1) of the meetings of cases the records have shown, judged by what `cases` cases told."""

    share: float
    cases: int


@dataclass(frozen=True, slots=True)
class RegisterFilter:
    """Something by which a register can be narrowed.

    `kind` "number" takes whole numbers from `least` to `most`, "choice" one of `choices` (value, label), "flag" is
    there or not. What was given is checked by `read` before it reaches the register.
    """

    label: str | Promise
    kind: Literal["number", "choice", "flag"]
    choices: tuple[tuple[str, str | Promise], ...] = ()
    least: int = 0
    most: int = 10_000
    help: str | Promise = ""

    def read(self, given: object) -> int | str | bool | None:
        """The value as the register gets it; None when nothing was given. Raises `ValueError`."""
        text = "" if given is None or given is False else str(given).strip()
        if not text:
            return None
        if self.kind == "flag":
            return True
        if self.kind == "number":
            if not re.fullmatch(r"[0-9]{1,9}", text) or not self.least <= int(text) <= self.most:
                raise ValueError(text)
            return int(text)
        if text not in {value for value, _label in self.choices}:
            raise ValueError(text)
        return text


@dataclass(frozen=True, slots=True)
class Register:
    """A list of people to whom a text can be sent, announced by the room that keeps it.

    `rows(filters)` gives a SELECT with named parameters (`%(name)s`) and their values. Its columns are `person_id`
    (bigint or NULL), `phone` (text as stored, NULL where there is none), `unit_id` (AdminUnit), `rank` (of several
    rows with one phone that of the lowest rank counts) and one text column for each of `placeholders`. Nothing in it
    asks who may see the rows: whoever uses it narrows by `unit_id`. Names of parameters that begin with `in_` are
    taken. All SQL is a text of our own code, never from outside.
    """

    label: str | Promise
    rows: Callable[[Mapping[str, Any]], tuple[str, dict[str, Any]]]
    filters: Mapping[str, RegisterFilter]
    placeholders: Mapping[str, str | Promise]
    order: int


@dataclass(frozen=True, slots=True)
class CodeOwner:
    """Codes of a room that name a person at a gate: `person_of(token)` gives the row id, or None. The code identifies;
    it lets nobody read."""

    person_of: Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class SmsArgument:
    """What follows a keyword: `shortest` to `longest` characters out of `letters` (digits and upper-case ASCII), which
    people may write with spaces or dashes in between. A `secret` one is kept nowhere."""

    name: str
    shortest: int
    longest: int
    letters: str = "0123456789"
    label: str | Promise = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class SmsKeyword:
    """A question that a room answers by SMS.

    `words` are the spellings, as people read them ("TỪ CHỐI"); accents, case, spaces and signs do not count. `syntax`
    is what must follow. `answer(actor, number, arguments)` gets the sender's number (E.164) and the arguments by
    name, in upper case without separators, and gives the text, at most 160 characters once its accents are gone:
    nothing in it that the code's holder may not know, and the same text for an unknown code as for a wrong secret.
    `limit` is how often one number may ask, `meaning` what it is for, in a few words.
    """

    words: tuple[str, ...]
    syntax: tuple[SmsArgument, ...]
    answer: Callable[[Actor, str, dict[str, str]], str]
    meaning: str | Promise
    limit: Limit


menu: Registry[MenuEntry] = Registry("menu")
resident_menu: Registry[MenuEntry] = Registry("resident menu")
"""What a signed-in resident can do (`roles` is empty): shown on their own page."""
desk_widgets: Registry[DeskWidget] = Registry("desk widgets")
person_panels: Registry[PersonPanel] = Registry("person panels")
search_entries: Registry[SearchEntry] = Registry("search entries")
retention: Registry[RetentionRule] = Registry("retention")
holdings: Registry[Holding] = Registry("holdings")
retention_checks: Registry[RetentionCheck] = Registry("retention checks")
help_tasks: Registry[HelpTask] = Registry("help tasks")
ticks: Registry[Tick] = Registry("ticks")
meetings_seen: Registry[Callable[[str, datetime], MeetingsSeen | None]] = Registry("meetings seen")
"""Asked with a unit path and a moment: the share for the cases of that unit since then, None when none can be told."""
registers: Registry[Register] = Registry("registers")
code_owners: Registry[CodeOwner] = Registry("code owners")
"""By the prefix of the code, e.g. "KB1:"."""
sms_keywords: Registry[SmsKeyword] = Registry("sms keywords")
"""By a name of the room's choosing, e.g. "testing.result"."""
