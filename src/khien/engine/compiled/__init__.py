"""The kernels, compiled by numba and kept on disk: in `NUMBA_CACHE_DIR` when that is set, else beside their sources."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_BESIDE = Path(__file__).parent


def cache_name(sources: Path = _BESIDE) -> str:
    """A name for a cache that outlives an upgrade: another one for other sources. numba looks at a kernel's own file
    only, and would go on using one whose helpers in another file have changed."""
    texts = [path.read_bytes() for path in sorted(sources.glob("*.py"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


BESIDE = str(_BESIDE / "__pycache__" / cache_name())

if "NUMBA_CACHE_DIR" not in os.environ and os.access(_BESIDE, os.W_OK):
    # Before numba is imported, which reads it then; not by importing it, which takes a second.
    os.environ["NUMBA_CACHE_DIR"] = BESIDE
