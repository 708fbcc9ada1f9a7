"""Keep the English of every text: `python tools/messages.py [--check | --missing | --fill FILE.json]`.

Texts stand in the code in Vietnamese (`gettext`, `{% translate %}`); each app's `locale/en/LC_MESSAGES/django.po`
holds the English and `django.mo` is committed beside it. Without an option the catalogues are brought up to date
(new texts are added, with the English of the same text in another app where there is one; texts that are gone go)
and compiled. `--check` changes nothing and names what is missing, app by app; `--missing` prints it as JSON
(`{"app": ["text", …]}`); `--fill` takes `{"text": "English", …}` ("one|many" where there
is a plural) for texts that have none.

Pure Python: no gettext tools are needed.
"""

from __future__ import annotations

import ast
import json
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SOURCE = PROJECT / "src/khien"
CALLS = {
    "_": 1,
    "gettext": 1,
    "gettext_lazy": 1,
    "gettext_noop": 1,
    "ngettext": 2,
    "ngettext_lazy": 2,
    "pgettext": -1,
    "pgettext_lazy": -1,
}
"""Function names and how many leading arguments are texts; -1 is a context, then a text."""
HEADER = (
    "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
    "Language: {language}\nPlural-Forms: {plurals}\n"
)
PLURALS = {"en": "nplurals=2; plural=(n != 1);", "vi": "nplurals=1; plural=0;"}
_LITERAL = r"""u?('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
_TEMPLATE_CALL = re.compile(
    rf"(?<![\w.])(_|gettext|ngettext|pgettext)\(\s*{_LITERAL}(?:\s*,\s*{_LITERAL})?", re.DOTALL
)

Key = tuple[str, str, str]
"""Context, text, plural text ("" where there is none)."""


@dataclass
class Catalogue:
    """One .po file: translations by key (one string, or one for each plural form), and where texts stand."""

    path: Path
    texts: dict[Key, list[str]] = field(default_factory=dict)
    places: dict[Key, set[str]] = field(default_factory=dict)

    @property
    def language(self) -> str:
        return self.path.parts[-3]

    def missing(self) -> list[str]:
        return [key[1] for key, said in self.texts.items() if not said or not all(said)]


def apps() -> list[Path]:
    """The folders that have a catalogue of their own; what lies outside all others belongs to the site."""
    return sorted(path.parent for path in SOURCE.rglob("apps.py"))


def home_of(path: Path, folders: list[Path]) -> Path:
    """The app that a source file belongs to."""
    inside = [folder for folder in folders if folder in path.parents]
    return max(inside, key=lambda folder: len(folder.parts), default=SOURCE / "site")


def python_texts(source: str) -> Iterator[Key]:
    """The texts that Python source hands to gettext; strings that are not constants cannot be translated."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name not in CALLS:
            continue
        given = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        key = _key(CALLS[name], given)
        if key is not None:
            yield key


def template_texts(source: str) -> Iterator[Key]:
    """The texts of `{% translate %}`, `{% blocktranslate %}` and `_("…")` in a Django template."""
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    from django.utils.translation.template import templatize

    for name, first, second in _TEMPLATE_CALL.findall(templatize(source)):
        given = [ast.literal_eval(text) for text in (first, second) if text]
        key = _key(CALLS[name], given)
        if key is not None:
            yield key


def _key(kind: int, given: list[str]) -> Key | None:
    if kind == -1:
        return (given[0], given[1], "") if len(given) > 1 else None
    if kind == 2:
        return ("", given[0], given[1]) if len(given) > 1 else None
    return ("", given[0], "") if given and given[0] else None


def extract() -> dict[Path, dict[Key, set[str]]]:
    """For each app the texts in its code and templates, with the files that they stand in."""
    folders = apps()
    found: dict[Path, dict[Key, set[str]]] = {folder: {} for folder in folders}
    for path in sorted(SOURCE.rglob("*")):
        if path.suffix == ".py" and "migrations" not in path.parts:
            texts = python_texts(path.read_text(encoding="utf-8"))
        elif path.suffix in {".html", ".txt"} and "templates" in path.parts:
            texts = template_texts(path.read_text(encoding="utf-8"))
        else:
            continue
        home = home_of(path, folders)
        for key in texts:
            found[home].setdefault(key, set()).add(
                str(path.relative_to(home if home in path.parents else SOURCE))
            )
    return found


def po_path(app: Path, language: str = "en") -> Path:
    return app / "locale" / language / "LC_MESSAGES" / "django.po"


def read_po(path: Path) -> Catalogue:
    """A catalogue from its file; an absent file is an empty catalogue."""
    catalogue = Catalogue(path)
    if not path.exists():
        return catalogue
    entry: dict[str, str] = {}
    part = ""

    def close() -> None:
        if entry.get("msgid"):
            key = (entry.get("msgctxt", ""), entry["msgid"], entry.get("msgid_plural", ""))
            catalogue.texts[key] = [said for name, said in entry.items() if name.startswith("msgstr")]
        entry.clear()

    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            close()
            continue
        named = re.match(r"(msg\w+(?:\[\d\])?)\s+(?=\")", line)
        if named:
            part = named[1]
            if part == "msgid" and "msgid" in entry:
                close()
            entry[part] = ""
            line = line[named.end() :]
        entry[part] += ast.literal_eval(line)
    close()
    return catalogue


def write_po(catalogue: Catalogue) -> None:
    """The catalogue as a file, in the order of its texts."""
    language = catalogue.language
    header = HEADER.format(language=language, plurals=PLURALS[language])
    lines = ['msgid ""', 'msgstr ""', *(_quote(f"{line}\n") for line in header.splitlines()), ""]
    for key in sorted(catalogue.texts, key=lambda key: (sorted(catalogue.places.get(key, [""])), key)):
        context, text, plural = key
        lines += [f"#: {place}" for place in sorted(catalogue.places.get(key, ()))]
        if context:
            lines.append(f"msgctxt {_quote(context)}")
        lines.append(f"msgid {_quote(text)}")
        said = catalogue.texts[key]
        if plural:
            lines.append(f"msgid_plural {_quote(plural)}")
            lines += [f"msgstr[{i}] {_quote(one)}" for i, one in enumerate(said or ["", ""])]
        else:
            lines.append(f"msgstr {_quote(said[0] if said else '')}")
        lines.append("")
    catalogue.path.parent.mkdir(parents=True, exist_ok=True)
    catalogue.path.write_text("\n".join(lines), encoding="utf-8")


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def compile_mo(catalogue: Catalogue) -> bytes:
    """The catalogue in the binary form that gettext reads (GNU gettext manual, 10.3); untranslated texts left out."""
    header = HEADER.format(language=catalogue.language, plurals=PLURALS[catalogue.language])
    pairs = {b"": header.encode()}
    for (context, text, plural), said in catalogue.texts.items():
        if not said or not all(said):
            continue
        name = (f"{context}\x04" if context else "") + text + (f"\x00{plural}" if plural else "")
        pairs[name.encode()] = "\x00".join(said).encode()
    keys = sorted(pairs)
    start = 28
    texts_at = start + 16 * len(keys)
    said_at = texts_at + sum(len(key) + 1 for key in keys)
    table_of_names, table_of_said = b"", b""
    for key in keys:
        table_of_names += struct.pack("<II", len(key), texts_at)
        texts_at += len(key) + 1
        table_of_said += struct.pack("<II", len(pairs[key]), said_at)
        said_at += len(pairs[key]) + 1
    head = struct.pack("<7I", 0x950412DE, 0, len(keys), start, start + 8 * len(keys), 0, 0)
    blob = b"".join(key + b"\0" for key in keys) + b"".join(pairs[key] + b"\0" for key in keys)
    return head + table_of_names + table_of_said + blob


def catalogues() -> list[Catalogue]:
    """Every catalogue on disk, those that only translate libraries (Vietnamese) included."""
    return [read_po(path) for path in sorted(SOURCE.rglob("locale/*/LC_MESSAGES/django.po"))]


def app_name(app: Path) -> str:
    return ".".join(app.relative_to(SOURCE).parts)


def missing() -> dict[str, list[str]]:
    """For each app the texts that have no English, or that its catalogue does not know."""
    answer = {}
    for app, texts in extract().items():
        known = read_po(po_path(app)).texts
        absent = [key[1] for key in texts if not known.get(key) or not all(known[key])]
        if absent:
            answer[app_name(app)] = sorted(set(absent))
    return answer


def stale() -> list[str]:
    """Compiled catalogues that do not match their source."""
    return [
        str(catalogue.path.with_suffix(".mo").relative_to(PROJECT))
        for catalogue in catalogues()
        if not catalogue.path.with_suffix(".mo").exists()
        or catalogue.path.with_suffix(".mo").read_bytes() != compile_mo(catalogue)
    ]


def update(given: dict[str, str] | None = None) -> None:
    """Bring every English catalogue up to date and compile all."""
    elsewhere = {
        key: said for c in catalogues() if c.language == "en" for key, said in c.texts.items() if all(said)
    }
    for app, texts in extract().items():
        path = po_path(app)
        known = read_po(path).texts
        catalogue = Catalogue(path, places=texts)
        for key in texts:
            said = known.get(key) or []
            if given and key[1] in given and not (said and all(said)):
                said = given[key[1]].split("|", 1) if key[2] else [given[key[1]]]
            if not (said and all(said)):
                said = elsewhere.get(key, [])
            catalogue.texts[key] = said
        if texts or path.exists():
            write_po(catalogue)
    for catalogue in catalogues():
        catalogue.path.with_suffix(".mo").write_bytes(compile_mo(catalogue))


def main(arguments: list[str]) -> int:
    if arguments == ["--missing"]:
        print(json.dumps(missing(), ensure_ascii=False, indent=1))
        return 0
    if arguments == ["--check"]:
        absent, old = missing(), stale()
        for app, texts in absent.items():
            print(f"{app}: {len(texts)} without English")
            for text in texts:
                print(f"  {_quote(text)}")
        for path in old:
            print(f"{path}: not compiled from its .po; run `make messages`")
        return 1 if absent or old else 0
    if len(arguments) == 2 and arguments[0] == "--fill":
        update(json.loads(Path(arguments[1]).read_text(encoding="utf-8")))
    elif not arguments:
        update()
    else:
        print(__doc__)
        return 2
    count = sum(len(texts) for texts in missing().values())
    print(f"{count} texts without English" if count else "every text has its English")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
