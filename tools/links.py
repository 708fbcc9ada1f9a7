"""Dead links in the documents: every relative link must lead to a file, every anchor to a heading.

`python tools/links.py` prints each dead link as `file:line: link` and exits with 1 when there is one.
Addresses on the network are not asked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

PROJECT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
FENCE = re.compile(r"^\s*(```|~~~)")


def documents(root: Path) -> list[Path]:
    """Every Markdown file of the project, hidden and data folders left out."""
    return sorted(
        path
        for path in root.rglob("*.md")
        if not any(
            part.startswith(".") or part in {"var", "node_modules"} for part in path.relative_to(root).parts
        )
    )


def dead_links(document: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of each link that leads nowhere."""
    for number, line in _prose(document):
        for match in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            link = match.group(1)
            if re.match(r"[a-z][a-z0-9+.-]*:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (document.parent / unquote(name)).resolve() if name else document
            if not target.exists() or (
                anchor and target.suffix == ".md" and unquote(anchor) not in anchors(target)
            ):
                yield number, link


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found: set[str] = set()
    for _number, line in _prose(document):
        if match := HEADING.match(line):
            text = re.sub(r"[^\w\- ]", "", match.group(1).lower()).replace(" ", "-")
            name, count = text, 0
            while name in found:
                count += 1
                name = f"{text}-{count}"
            found.add(name)
    return found


def _prose(document: Path) -> Iterator[tuple[int, str]]:
    fenced = False
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line


def main() -> None:
    dead = [(path, *found) for path in documents(PROJECT) for found in dead_links(path)]
    for path, number, link in dead:
        print(f"{path.relative_to(PROJECT)}:{number}: {link}")
    print(f"{len(documents(PROJECT))} documents, {len(dead)} dead links")
    sys.exit(1 if dead else 0)


if __name__ == "__main__":
    main()
