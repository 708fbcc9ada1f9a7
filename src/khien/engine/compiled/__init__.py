"""The kernels, compiled by numba and kept on disk: in `NUMBA_CACHE_DIR` when that is set, else beside their sources.

Each version of the sources has a cache of its own there (why: `warming.cache_name`).
"""

from __future__ import annotations

import os
from pathlib import Path

from khien.engine.warming import cache_name

_BESIDE = Path(__file__).parent

if "NUMBA_CACHE_DIR" not in os.environ and os.access(_BESIDE, os.W_OK):
    # Before numba is imported, which reads it then; not by importing it, which takes a second.
    os.environ["NUMBA_CACHE_DIR"] = str(_BESIDE / "__pycache__" / cache_name())
