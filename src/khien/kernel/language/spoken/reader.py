"""From written Vietnamese to what is said, from left to right; what could be read otherwise is noted as a doubt."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from khien.kernel.language.spoken import patterns, signs, syllables
from khien.kernel.language.spoken.lexicon import Entry, Lexicon
from khien.kernel.language.spoken.numbers import ROMAN, Numerals, cardinal, decimal, digits, ordinal, roman


class Why(StrEnum):
    """Why a place was read with doubt; `spoken.REASONS` has the texts for the screen."""

    DATE_OR_FRACTION = "date_or_fraction"
    DATE_OR_RANGE = "date_or_range"
    DECIMAL_OR_DATE = "decimal_or_date"
    DECIMAL_OR_THOUSANDS = "decimal_or_thousands"
    NO_SUCH_DAY = "no_such_day"
    NO_SUCH_TIME = "no_such_time"
    SHORT_YEAR = "short_year"
    MONTH_OR_FRACTION = "month_or_fraction"
    PHONE_OR_NUMBER = "phone_or_number"
    LONG_NUMBER = "long_number"
    RANGE_OR_SCORE = "range_or_score"
    SEVERAL_MEANINGS = "several_meanings"
    UNKNOWN_ABBREVIATION = "unknown_abbreviation"
    FOREIGN_WORD = "foreign_word"
    ROMAN_OR_LETTERS = "roman_or_letters"
    SLASH = "slash"
    NEGATIVE = "negative"
    CODE = "code"
    ADDRESS_OF_A_PAGE = "address_of_a_page"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class Doubt:
    """`written` at [start, end) of the cleaned text was read as `spoken`; `why` it could be otherwise."""

    start: int
    end: int
    written: str
    spoken: str
    why: Why


class Reader:
    """Reads one cleaned text; use it once."""

    def __init__(self, text: str, lexicon: Lexicon, numerals: Numerals) -> None:
        self.text = text
        self.lexicon = lexicon
        self.numerals = numerals
        self.at = 0
        self.out: list[str] = []
        self.doubts: list[Doubt] = []
        # What was said last, for a dash after it: "number", "time", "date" …, "" after anything else.
        self.kind = ""
        self.value = 0.0
        self._ended: dict[str, int] = {}
        self._capitals_line: tuple[int, bool] = (-1, False)
        self._units = _alternation(lexicon.of_kind("unit"))
        self._money = _alternation(lexicon.of_kind("money"))
        self._number_rules: tuple[Callable[[], bool], ...] = (
            *(
                self._url,
                self._vulgar,
                self._iso_day,
                self._days,
                self._day,
                self._short_day,
                self._document,
                self._plate,
                self._phone,
            ),
            *(self._clock, self._month, self._date_like, self._slashes, self._ratio, self._number),
        )

    def run(self) -> None:
        """Fill `out` and `doubts`."""
        size = len(self.text)
        fresh_line = True
        while self.at < size:
            marker = patterns.MARKER.match(self.text, self.at) if fresh_line else None
            if marker and not self._is_initial(marker):
                self._marker(marker)
                fresh_line = False
                continue
            character = self.text[self.at]
            if character == "\n":
                self.out.append("\n")
                self.at += 1
                self.kind = ""
                fresh_line = True
                continue
            if character == " ":
                self.at += 1
                continue
            fresh_line = False
            if "0" <= character <= "9" or (character in "+(" and patterns.PHONE.match(self.text, self.at)):
                any(rule() for rule in self._number_rules)
            elif character.isalpha():
                self._word()
            else:
                self._sign(character)

    # What stands around

    def before(self, pattern: re.Pattern[str]) -> bool:
        return pattern.search(self.text[max(0, self.at - patterns.BEFORE) : self.at]) is not None

    def say(self, spoken: str, length: int, kind: str = "", *, why: Why | None = None) -> bool:
        """Say it for the next `length` characters; always true, as rules that matched are."""
        self.out.append(spoken)
        if why is not None:
            self._doubt(length, spoken, why)
        self.at += length
        self.kind = kind
        if kind in {"phone", "date"}:
            self._ended[kind] = self.at
        return True

    def _goes_on(self, kind: str) -> bool:
        """Was the last thing a phone number (a day), with only a comma or "và" since?"""
        since = self._ended.get(kind, -1)
        return since >= 0 and patterns.AND_AGAIN.fullmatch(self.text[since : self.at][:20]) is not None

    def _doubt(self, length: int, spoken: str, why: Why) -> None:
        end = self.at + length
        self.doubts.append(Doubt(self.at, end, self.text[self.at : end], spoken, why))

    def _cardinal(self, number: int | str) -> str:
        return cardinal(int(number), self.numerals)

    # Days and hours

    def _day_of_month(self, day: str, month: str, year: str = "", *, name: bool | None = None) -> str:
        """`ngày mùng một tháng một năm …`; without "ngày" where it already stands there."""
        named = not self.before(patterns.DAY_WORD) if name is None else name
        first = "mùng " if int(day) <= 10 and not self.before(patterns.FIRST_DAYS) else ""
        words = f"{'ngày ' if named else ''}{first}{self._cardinal(day)} {self._month_words(month)}"
        return f"{words} năm {self._cardinal(year)}" if year else words

    def _month_words(self, month: str) -> str:
        return f"tháng {'tư' if int(month) == 4 else self._cardinal(month)}"

    def _iso_day(self) -> bool:
        found = patterns.ISO_DAY.match(self.text, self.at)
        if not found:
            return False
        year, month, day = found.groups()
        if not _exists(day, month, year):
            return False
        return self.say(self._day_of_month(day, month, year), len(found[0]), "date")

    def _days(self) -> bool:
        """`20–25/9`: the month stands once for both days."""
        found = patterns.DAYS.match(self.text, self.at)
        if not found:
            return False
        first, last, month, year = found.groups()
        if int(first) >= int(last) or not (_exists(first, month, year) and _exists(last, month, year)):
            return False
        if self.before(patterns.ADDRESS):
            return False
        start = "ngày " if not self.before(patterns.DAY_WORD) else ""
        start += f"{'mùng ' if int(first) <= 10 else ''}{self._cardinal(first)}"
        return self.say(
            f"{start} đến {self._day_of_month(last, month, year or '', name=True)}", len(found[0]), "date"
        )

    def _day(self) -> bool:
        found = patterns.DAY.match(self.text, self.at)
        if not found:
            return False
        day, mark, month, year = found.groups()
        if _exists(day, month, year):
            return self.say(self._day_of_month(day, month, year), len(found[0]), "date")
        spoken = f" {'trên' if mark == '/' else 'gạch'} ".join(map(self._cardinal, (day, month, year)))
        return self.say(spoken, len(found[0]), "date", why=Why.NO_SUCH_DAY)

    def _short_day(self) -> bool:
        found = patterns.SHORT_DAY.match(self.text, self.at)
        if not found or self.before(patterns.ADDRESS):
            return False
        day, month, short = found.groups()
        year = f"20{short}"
        if not _exists(day, month, year):
            return False
        return self.say(self._day_of_month(day, month, year), len(found[0]), "date", why=Why.SHORT_YEAR)

    def _month(self) -> bool:
        """`9/2021`, with or without "tháng" before it; after "quý" and the like it is that of a year."""
        found = patterns.MONTH.match(self.text, self.at)
        if not found:
            return False
        month, mark, year = found.groups()
        in_year = f"năm {self._cardinal(year)}"
        if self.before(patterns.MONTH_WORD):
            said = "tư" if int(month) == 4 else self._cardinal(month)
            return self.say(f"{said} {in_year}", len(found[0]), "date")
        if mark == "/" and self.before(patterns.PERIOD_WORD):
            return self.say(f"{self._cardinal(month)} {in_year}", len(found[0]), "date")
        if mark == "-" or self.before(patterns.ADDRESS):
            return False
        return self.say(
            f"{self._month_words(month)} {in_year}",
            len(found[0]),
            "date",
            why=None if self.before(patterns.AROUND_A_DAY) else Why.MONTH_OR_FRACTION,
        )

    def _date_like(self) -> bool:
        """`20/9`: a day, a fraction, a house number … as what stands before it says."""
        found = patterns.DATE_LIKE.match(self.text, self.at)
        if not found:
            return False
        day, mark, month = found.groups()
        length = len(found[0])
        if self.text[self.at + length : self.at + length + 1].isalpha():
            return False
        plain_day = self.before(patterns.DAY_WORD)
        if mark == "-":
            return self._date_with_dash(day, month, length, plain_day=plain_day)
        if self.before(patterns.ADDRESS) or self.before(patterns.RATIO_WORD):
            return False
        if not plain_day and self.before(patterns.FRACTION) and not self.before(patterns.AROUND_A_DAY):
            return self._fraction(day, month, length)
        if not _exists(day, month):
            return False
        known = (
            plain_day or self.before(patterns.AROUND_A_DAY) or self._goes_on("date") or self.kind == "range"
        )
        if not known and patterns.SHARE_OF.match(self.text, self.at + length):
            return self._fraction(day, month, length)
        if not known and patterns.OF_COUNTED.match(self.text, self.at + length):
            return self.say(f"{self._cardinal(day)} trên {self._cardinal(month)}", length, "number")
        if found[0] == "24/7" and not known:
            return self.say("hai mươi tư trên bảy", length, "number", why=Why.DATE_OR_FRACTION)
        why = None if known else Why.DATE_OR_FRACTION
        return self.say(self._day_of_month(day, month), length, "date", why=why)

    def _date_with_dash(self, day: str, month: str, length: int, *, plain_day: bool) -> bool:
        if not _exists(day, month) or self.kind == "range":
            return False
        rising = int(day) < int(month)
        if plain_day and not rising:
            return self.say(self._day_of_month(day, month), length, "date")
        if plain_day:
            spoken = f"{self._cardinal(day)} đến {self._cardinal(month)}"
            return self.say(spoken, length, "range", why=Why.DATE_OR_RANGE)
        if rising or not self.before(patterns.AROUND_A_DAY):
            return False
        return self.say(self._day_of_month(day, month), length, "date", why=Why.DATE_OR_RANGE)

    def _fraction(self, above: str, below: str, length: int, *, why: Why | None = None) -> bool:
        join = "phần" if int(above) < int(below) and int(below) <= 10 else "trên"
        below_said = "tư" if join == "phần" and int(below) == 4 else self._cardinal(below)
        return self.say(f"{self._cardinal(above)} {join} {below_said}", length, "number", why=why)

    def _clock(self) -> bool:
        found = patterns.CLOCK.match(self.text, self.at)
        if found:
            hour = found[1]
            minute = next((part for part in found.groups()[1:6] if part), "")
            second = found[7] or ""
            colon = found[6] is not None
            if colon and (int(hour) > 24 or self.before(patterns.RATIO_WORD)):
                return False
            words = f"{self._cardinal(hour)} giờ"
            if minute and int(minute):
                words += f" {self._cardinal(minute)} phút"
            if second and int(second):
                words += f" {self._cardinal(second)} giây"
            impossible = bool(minute) and int(hour) > 24
            self.value = int(hour)
            return self.say(words, len(found[0]), "time", why=Why.NO_SUCH_TIME if impossible else None)
        doubtful = patterns.HOURS_AND_WORD.match(self.text, self.at)
        if doubtful:
            spoken = f"{self._cardinal(doubtful[1])} giờ {self._cardinal(doubtful[2])}"
            return self.say(spoken, len(doubtful[0]), "time", why=Why.SEVERAL_MEANINGS)
        return False

    def _vulgar(self) -> bool:
        """½, which was one sign."""
        found = patterns.VULGAR.match(self.text, self.at)
        return found is not None and self._fraction(found[1], found[2], len(found[0]))

    # Numbers of things that are not counted

    def _url(self) -> bool:
        found = patterns.URL.match(self.text, self.at)
        if not found or not any(character.isalpha() for character in found[0]):
            return False
        address = re.sub(r"^https?://(?:www\.)?|^www\.", "", found[0], flags=re.IGNORECASE).rstrip("/")
        words = []
        for part in re.findall(rf"{patterns.LETTER}+|[0-9]+|.", address):
            if part[0] in "0123456789":
                words.append(digits(part))
            elif part.isalpha():
                known = next(
                    (e.spoken for e in self.lexicon.starting(part[0]) if e.written == part.lower()), None
                )
                pieces = syllables.split(part) if len(part) > 2 else None
                words.append(known or " ".join(pieces or ()) or syllables.spell(part))
            else:
                words.append(signs.IN_ADDRESSES.get(part, ""))
        return self.say(f", {' '.join(filter(None, words))},", len(found[0]), why=Why.ADDRESS_OF_A_PAGE)

    def _document(self) -> bool:
        """`5599/QĐ-BYT`: the number, what kind of document unless that was just said, and by whom."""
        found = patterns.DOCUMENT.match(self.text, self.at)
        if not found:
            return False
        number, year, codes = found.groups()
        kinds, issuers = self.lexicon.of_kind("document"), self.lexicon.of_kind("issuer")
        said = self._number_and_letter(number)
        if year:
            said += f" năm {self._cardinal(year)}"
        parts = re.split(r"\s?[-–]\s?", codes)
        unknown = False
        nouns: list[str] = []
        for position, part in enumerate(parts):
            letters, session = re.fullmatch(r"(.*?)([0-9]*)", part).groups()  # type: ignore[union-attr]
            entry = issuers.get(letters) if position or letters not in kinds else kinds[letters]
            entry = entry or kinds.get(letters)
            unknown |= entry is None
            noun = entry.spoken if entry else syllables.spell(letters)
            if session:
                noun += f" khóa {self._cardinal(session)}"
            if entry is not None and entry.kind == "document":
                if not self._said_just_before(noun):
                    nouns.append(f", {noun}")
            elif entry is None or not nouns or not nouns[-1].endswith(noun):
                nouns.append(f"của {noun}" if entry else f", {noun}")
        return self.say(f"{said} {' '.join(nouns)}", len(found[0]), why=Why.CODE if unknown else None)

    def _said_just_before(self, noun: str) -> bool:
        tail = self.text[max(0, self.at - patterns.BEFORE) : self.at].lower()
        return re.search(rf"{re.escape(noun)}(?: số)?[\s:]*$", tail) is not None

    def _number_and_letter(self, text: str) -> str:
        if text[-1].isalpha():
            return f"{self._cardinal(text[:-1])} {syllables.spell(text[-1])}"
        return self._cardinal(text)

    def _plate(self) -> bool:
        found = patterns.PLATE.match(self.text, self.at)
        if not found:
            return False
        series = " ".join(digits(c) if c.isdigit() else syllables.spell(c) for c in found[2])
        return self.say(f"{digits(found[1])} {series}, {digits(found[3])}", len(found[0]))

    def _phone(self) -> bool:
        found = patterns.PHONE.match(self.text, self.at)
        if found and (found[0].startswith("1") or _looks_like_a_phone(found[0])):
            groups = re.findall(r"[0-9]+", found[0])
            if len(groups) == 1:
                groups = _in_groups(groups[0])
            plus = "cộng " if found[0].startswith("+") else ""
            return self.say(plus + ", ".join(map(digits, groups)), len(found[0]), "phone")
        plain = patterns.SHORT_NUMBER.match(self.text, self.at)
        if plain and (self.before(patterns.CALL_STRONG) or self._goes_on("phone")):
            return self.say(digits(plain[0]), len(plain[0]), "phone")
        sent = plain and self.before(patterns.SEND) and patterns.CLOSED.match(self.text, plain.end())
        if plain and (sent or (plain[0] in signs.EMERGENCY and self.before(patterns.CALL))):
            return self.say(digits(plain[0]), len(plain[0]), "phone", why=Why.PHONE_OR_NUMBER)
        return False

    def _slashes(self) -> bool:
        found = patterns.SLASHES.match(self.text, self.at)
        if not found:
            return False
        rest = self.text[found.end() : found.end() + 2]
        hours = re.match(r"h(?!\w)", rest) is not None  # 24/24h
        if rest[:1].isalpha() and not hours:
            return False
        parts = found[0].split("/")
        address = self.before(patterns.ADDRESS)
        if len(parts) == 2 and found[0].replace("/", "").isdigit() and not address:
            above, below = parts
            if not self.before(patterns.RATIO_WORD) and found[0] != "24/24":
                counted = patterns.OF_COUNTED.match(self.text, found.end())
                told = (
                    counted
                    or self.before(patterns.FRACTION)
                    or patterns.SHARE_OF.match(self.text, found.end())
                )
                why = None if told else Why.DATE_OR_FRACTION
                if len(above) > 6 or len(below) > 6:
                    spoken = f"{digits(above)} trên {digits(below)}"
                    return self.say(spoken, len(found[0]), "number", why=Why.LONG_NUMBER)
                if int(above) <= 31 and int(below) <= 12 and why is Why.DATE_OR_FRACTION and int(above) > 10:
                    why = Why.NO_SUCH_DAY
                return self._fraction(above, below, len(found[0]), why=why)
        spoken = " trên ".join(map(self._digits_or_cardinal, parts))
        sure = address or self.before(patterns.RATIO_WORD) or found[0] == "24/24"
        unit = ""
        length = len(found[0])
        if hours:
            unit, length = " giờ", length + 1
        return self.say(spoken + unit, length, "number", why=None if sure else Why.SLASH)

    def _digits_or_cardinal(self, text: str) -> str:
        if text[-1].isalpha():
            return f"{self._digits_or_cardinal(text[:-1])} {syllables.spell(text[-1])}"
        return self._cardinal(text) if len(text) <= 6 else digits(text)

    def _ratio(self) -> bool:
        found = patterns.RATIO.match(self.text, self.at)
        if not found:
            return False
        join = " trên " if self.before(patterns.RATIO_WORD) else ", "
        spoken = join.join(self._cardinal(part) for part in found.groups())
        why = None if self.before(patterns.RATIO_WORD) else Why.NO_SUCH_TIME
        return self.say(spoken, len(found[0]), "number", why=why)

    # Numbers that count or measure

    def _number(self) -> bool:
        found = patterns.NUMBER.match(self.text, self.at)
        assert found is not None
        parts = found.groupdict()
        length = len(found[0])
        why: Why | None = None
        whole, fraction = parts["whole"] or "", parts["fraction"] or ""
        if parts["grouped"]:
            whole, fraction = parts["grouped"].replace(".", ""), parts["grouped_fraction"] or ""
            if parts["grouped"].startswith("0"):
                why = Why.DECIMAL_OR_THOUSANDS
        elif parts["english"]:
            whole, fraction = parts["english"].replace(",", ""), parts["english_fraction"] or ""
            why = Why.DECIMAL_OR_THOUSANDS
        elif fraction and parts["mark"] == ".":
            dated = patterns.DAY_WORD if _is_day(whole, fraction) else None
            if dated and self.before(dated):
                return self.say(self._day_of_month(whole, fraction), length, "date")
            why = Why.DECIMAL_OR_DATE if _is_day(whole, fraction) else Why.DECIMAL_OR_THOUSANDS
        elif fraction and len(fraction) == 3 and len(whole) <= 3 and whole != "0":
            why = Why.DECIMAL_OR_THOUSANDS
        spoken, doubt = self._quantity(whole, fraction, grouped=bool(parts["grouped"] or parts["english"]))
        rest = self.at + length
        why = doubt or why
        tail, tail_length, tail_kind, tail_doubt = self._tail(rest, whole)
        if tail_kind in {"temperature", "percent"} and why is Why.DECIMAL_OR_DATE:
            why = None
        self.value = float(f"{whole[-15:]}.{fraction[:15] or 0}")
        kind = tail_kind or "number"
        return self.say(f"{spoken}{tail}", length + tail_length, kind, why=why or tail_doubt)

    def _quantity(self, whole: str, fraction: str, *, grouped: bool) -> tuple[str, Why | None]:
        """The words of a number as what stands before it wants them."""
        if fraction:
            if len(whole) > 15:
                return f"{digits(whole)} phẩy {digits(fraction)}", Why.LONG_NUMBER
            return decimal(whole, fraction, self.numerals), None
        if self.before(patterns.RANK_WORD) and len(whole) <= 4:
            return ordinal(int(whole), self.numerals), None
        if self.before(patterns.ORDER_WORD) and len(whole) <= 4:
            return ordinal(int(whole), self.numerals), None
        if self.before(patterns.MONTH_WORD) and whole.lstrip("0") == "4":
            return "tư", None
        if self.before(patterns.DAY_WORD) and len(whole) <= 2 and 1 <= int(whole) <= 10:
            first = "" if self.before(patterns.FIRST_DAYS) else "mùng "
            return f"{first}{self._cardinal(whole)}", None
        if whole.startswith("0") and len(whole) > 2:
            return digits(whole), Why.LONG_NUMBER
        if len(whole) > (15 if grouped else 8):
            return ", ".join(digits(whole[i : i + 3]) for i in range(0, len(whole), 3)), Why.LONG_NUMBER
        return self._cardinal(whole), None

    def _tail(self, rest: int, whole: str) -> tuple[str, int, str, Why | None]:
        """What belongs to a number and follows it: its words, their length, kind and doubt."""
        text = self.text
        if found := patterns.PERCENT.match(text, rest):
            return f" phần {'nghìn' if found[1] else 'trăm'}", len(found[0]), "percent", None
        if found := patterns.DEGREES.match(text, rest):
            return f" độ {'xê' if found[1] == 'C' else 'ép'}", len(found[0]), "temperature", None
        if found := self._money.match(text, rest):
            entry = self.lexicon.of_kind("money")[found[1]]
            words = f" {entry.spoken}{self._each(found[2], 'mỗi')}"
            return words, len(found[0]), "money", Why.SEVERAL_MEANINGS if entry.doubt else None
        if found := self._units.match(text, rest):
            unit = self.lexicon.of_kind("unit")[found[1]]
            words = f" {unit.spoken}{self._each(found[2], 'trên')}"
            kind = "time" if found[1] == "h" else "unit"
            return words, len(found[0]), kind, None
        if found := patterns.MINUTES.match(text, rest):
            return " phút", 1, "time", Why.SEVERAL_MEANINGS
        if found := patterns.TIMES.match(text, rest):
            return " nhân", len(found[0]), "", None
        if found := patterns.GLUED.match(text, rest):
            letters = found[1]
            if letters.isupper() and len(letters) == 1:
                return f" {syllables.spell(letters)}", 1, "", None
            if not syllables.is_syllable(letters):
                return f" {syllables.spell(letters)}", len(letters), "", Why.CODE
        return "", 0, "", None

    def _each(self, per: str | None, joined: str) -> str:
        """The words for what a quantity is counted by: the h of km/h."""
        if not per:
            return ""
        unit = self.lexicon.of_kind("unit").get(per)
        return f" {joined} {unit.spoken if unit else per}"

    # Words

    def _word(self) -> None:
        if (found := patterns.URL.match(self.text, self.at)) and re.search(r"[@.]", found[0]) and self._url():
            return
        if (initials := patterns.INITIALS.match(self.text, self.at)) is not None:
            self.say(syllables.spell(initials[0]), len(initials[0]))
            return
        if self._known_word():
            return
        if (code := patterns.CODE.match(self.text, self.at)) is not None and self._code(code[0]):
            return
        found = patterns.WORD.match(self.text, self.at)
        if found is None:
            foreign = patterns.FOREIGN.match(self.text, self.at)
            assert foreign is not None  # the first character is a letter
            self.say("", len(foreign[0]), why=Why.LEFT_OUT)
            return
        word = found[0]
        if self._roman_word(word):
            return
        self._plain_word(word)

    def _known_word(self) -> bool:
        """An entry of the lexicon that stands here as a whole."""
        for entry in self.lexicon.starting(self.text[self.at]):
            end = self.at + len(entry.written)
            here = self.text[self.at : end]
            exact = here == entry.written
            if not exact and not (entry.kind == "any" and here.lower() == entry.written.lower()):
                continue
            if entry.kind in {"title", "initial"}:
                if self._title(entry, end):
                    return True
                continue
            after = self.text[end : end + 1]
            if entry.written[-1] != "." and after.isalnum() and not (entry.kind == "any" and after.isdigit()):
                continue
            if entry.kind == "word" and after == "-" and self.text[end + 1 : end + 2].isdigit():
                continue
            if syllables.is_syllable(here) and here.isupper() and self._capitals():
                continue
            self.say(entry.spoken, len(here), why=Why.SEVERAL_MEANINGS if entry.doubt else None)
            return True
        return False

    def _title(self, entry: Entry, end: int) -> bool:
        """TP. Phủ Lý, Q.1, BS Nguyễn: with or without a dot, before a name or a number."""
        named = patterns.NAMED.match(self.text, end)
        dot = self.text[end : end + 1] == "."
        if entry.kind == "initial" and not (dot and named):
            return False
        if self.text[end : end + 1].isalnum():
            return False
        length = len(entry.written) + (len(named[0]) if named and dot and self._a_name(named.end()) else 0)
        self.say(entry.spoken, length, why=Why.SEVERAL_MEANINGS if entry.doubt else None)
        return True

    def _a_name(self, at: int) -> bool:
        following = self.text[at : at + 1]
        return following.isdigit() or following.isupper()

    def _capitals(self) -> bool:
        """Does this line shout, so that capitals say nothing? At least two syllables in capitals and no small word."""
        start = self.text.rfind("\n", 0, self.at) + 1
        if self._capitals_line[0] != start:
            end = self.text.find("\n", start)
            words = patterns.WORD.findall(self.text[start : end if end >= 0 else len(self.text)])
            shouting = sum(word.isupper() and len(word) > 1 and syllables.is_syllable(word) for word in words)
            self._capitals_line = (start, shouting >= 2 and 2 * shouting >= len(words))
        return self._capitals_line[1]

    def _roman_word(self, word: str) -> bool:
        if not ROMAN.fullmatch(word):
            return False
        if self.before(patterns.ROMAN_WORD):
            return self.say(self._cardinal(roman(word)), len(word), "number")
        if self.before(patterns.ORDER_WORD):
            return self.say(ordinal(roman(word), self.numerals), len(word), "number")
        if len(word) < 2 or set(word) - set("IVX") or self._capitals():
            return False
        return self.say(self._cardinal(roman(word)), len(word), "number", why=Why.ROMAN_OR_LETTERS)

    def _plain_word(self, word: str) -> None:
        lower = word.lower()
        if len(word) == 1:
            times = word == "x" and re.match(r"\s?[0-9]", self.text[self.at + 1 : self.at + 3])
            self.say("nhân" if times else _letter(word), 1)
        elif syllables.is_syllable(word):
            weekday = "weekday" if lower in {"nhật"} else ""
            self.say(lower if word.isupper() else word, len(word), weekday)
        elif word.isupper() or not (set(lower) & set("aeiouyăâêôơư") or any(c > "z" for c in lower)):
            self.say(syllables.spell(word), len(word), why=Why.UNKNOWN_ABBREVIATION)
        else:
            self.say(word, len(word), why=Why.FOREIGN_WORD)

    def _code(self, written: str) -> bool:
        """F0, H5N1, B.1.1.7, QL1A: letters by name, up to two digits as a number, more one by one."""
        letters = patterns.WORD.match(written)[0]  # type: ignore[index]
        if re.fullmatch(r"T[2-7]", written):
            spoken = f"thứ {ordinal(int(written[1]), self.numerals)}"
            return self.say(spoken, len(written), "weekday", why=Why.SEVERAL_MEANINGS)
        entry = self.lexicon.of_kind("word").get(letters)
        if (
            "-" in written
            and entry is None
            and not (letters.isupper() and not syllables.is_syllable(letters))
        ):
            return False  # "Hà Nam-35" is a name and a number
        if not letters.isupper() and syllables.is_syllable(letters) and len(letters) > 1:
            return False
        unit = self.lexicon.of_kind("unit").get(written)
        if unit is not None:
            return self.say(unit.spoken, len(written))
        words = []
        for part in re.findall(rf"{patterns.LETTER}+|[0-9]+", written):
            if part[0] in "0123456789":
                words.append(self._cardinal(part) if len(part) <= 2 and part[0] != "0" else digits(part))
            elif (known := self.lexicon.of_kind("word").get(part)) is not None:
                words.append(known.spoken)
            else:
                words.append(syllables.spell(part))
        sure = len(letters) <= 2 and "." not in written
        return self.say(" ".join(words), len(written), "code", why=None if sure else Why.CODE)

    # Signs

    def _is_initial(self, marker: re.Match[str]) -> bool:
        """`P. Lê Hồng Phong` at the start of a line is a ward, no item of a list."""
        initial = self.lexicon.of_kind("initial").get(marker["letter"] or "")
        return initial is not None and "." in marker[0] and self._a_name(marker.end())

    def _marker(self, marker: re.Match[str]) -> None:
        """The start of a line of a list: a bullet is silent, a number or a letter is said."""
        spoken = ""
        if marker["number"]:
            spoken = " chấm ".join(self._cardinal(part) for part in marker["number"].split("."))
        elif letters := marker["letter"] or marker["roman"]:
            is_roman = ROMAN.fullmatch(letters) and not set(letters) - set("IVX")
            spoken = self._cardinal(roman(letters)) if is_roman else _letters(letters)
        # "a." keeps its dot, so that what was said is no list when it is read again.
        pause = "." if marker["letter"] and "." in marker[0] else ","
        self.say(f"{spoken}{pause}" if spoken else "", len(marker[0]))

    def _sign(self, character: str) -> None:
        if character in "-–—" and self._dash():
            return
        if character == "/":
            self._slash()
        elif character in ".?!":
            self.say(character, 1)
        elif character == "…":
            self.say(".", 1)
        elif character in signs.SILENT:
            kind = self.kind
            self.say("", 1, kind)
        elif character in "$€" and (found := patterns.PRICE.match(self.text, self.at)):
            self._price(found)
        elif character in signs.SPOKEN:
            self.say(signs.SPOKEN[character], 1)
        elif character in signs.PAUSES:
            self.say(",", 1)
        else:
            self.say("", 1, why=Why.LEFT_OUT)

    def _price(self, sign: re.Match[str]) -> None:
        """`$5`: the sign stands before the number that it follows in speech."""
        money = self.lexicon.of_kind("money")[sign[0].strip()].spoken
        self.at += len(sign[0])
        self._number()
        self.out.append(money)

    def _dash(self) -> bool:
        """Between two numbers, times or days a dash is "đến"; before one it may be a minus."""
        following = patterns.TO_NUMBER.match(self.text, self.at)
        weekdays = patterns.TO_WEEKDAY.match(self.text, self.at)
        if self.kind and weekdays and (self.kind == "weekday" or self.before(patterns.WEEKDAY)):
            return self.say("đến", len(weekdays[0]), "range")
        if following and self.kind in {"number", "time", "date", "percent", "money", "temperature", "unit"}:
            if self.kind == "number":
                after = patterns.NUMBER.match(self.text, self.at + len(following[0]))
                right = re.sub(r"[.](?=[0-9]{3})", "", after[0]).replace(",", ".") if after else ""
                if right.count(".") <= 1 and float(right[:15] or 0) <= self.value:
                    return self.say(",", len(following[0]), why=Why.RANGE_OR_SCORE)
            return self.say("đến", len(following[0]), "range")
        glued = following and len(following[0]) == 1
        if glued and (self.at == 0 or self.text[self.at - 1] in " \n("):
            degrees = patterns.BELOW_ZERO.match(self.text, self.at)
            return self.say("âm", 1, why=None if degrees else Why.NEGATIVE)
        between = (
            self.at > 0
            and self.text[self.at - 1].isalpha()
            and self.text[self.at + 1 : self.at + 2].isalpha()
        )
        if between and self.text[self.at] == "-":
            return self.say("", 1)
        return False

    def _slash(self) -> None:
        """Between words: "mỗi" after an amount (5.000đ/người, 2 lần/ngày), else a pause that the author sees."""
        amount = self.kind in {"money", "unit", "number"} or self.before(patterns.NUMBERED)
        unit = self._units.match(self.text, self.at + 1) if amount else None
        if unit is not None and unit.start(1) == self.at + 1:
            self.say(f"mỗi {self.lexicon.of_kind('unit')[unit[1]].spoken}", 1 + len(unit[0]))
        elif self.text[self.at + 1 : self.at + 2].isalpha() and amount:
            self.say("mỗi", 1)
        else:
            self.say(",", 1, why=Why.SLASH)


def _alternation(entries: object) -> re.Pattern[str]:
    """A unit after a number, in the second group what it is counted by ("km/h")."""
    names = sorted(map(re.escape, entries), key=len, reverse=True)  # type: ignore[call-overload]
    return re.compile(
        rf"\s?({'|'.join(names) or '(?!)'})(?:/(h|s|ngày|giờ|phút|giây|ml|l|kg|m2|m3|m²|m³)(?![\w²³]))?(?![\w²³])"
    )


def _letter(letter: str) -> str:
    """One letter that stands alone: a vowel as it is, which may be a word ("y tế", "Ở nhà"), a consonant by name."""
    lower = letter.lower()
    if lower not in syllables.LETTERS:
        return letter
    return lower if lower in "aăâeêioôơuưy" else syllables.LETTERS[lower]


def _letters(letters: str) -> str:
    return _letter(letters) if len(letters) == 1 else syllables.spell(letters)


def _exists(day: str, month: str, year: str | None = None) -> bool:
    try:
        date(int(year or 2020), int(month), int(day))  # a leap year, where none is said
    except ValueError:
        return False
    return True


def _is_day(whole: str, fraction: str) -> bool:
    return len(whole) <= 2 and len(fraction) <= 2 and _exists(whole, fraction)


def _looks_like_a_phone(written: str) -> bool:
    count = sum(character.isdigit() for character in written)
    return 9 <= count <= 13


def _in_groups(number: str) -> list[str]:
    """Digits as people say a phone number that was written without spaces."""
    cuts = {8: (4, 4), 10: (4, 3, 3), 11: (3, 4, 4)}.get(len(number))
    if cuts is None:
        cuts = (4,) * (len(number) // 4) + ((len(number) % 4,) if len(number) % 4 else ())
    groups, at = [], 0
    for size in cuts:
        groups.append(number[at : at + size])
        at += size
    return groups
