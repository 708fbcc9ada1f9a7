"""What a process loads before it answers: every tenth of a second is waited for at each start."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "khien.site.settings"
import django
django.setup()
from django.urls import get_resolver
get_resolver().url_patterns
print(*sorted({"numba", "scipy.stats", "ray", "openpyxl"} & set(sys.modules)))
"""


def test_a_web_process_loads_no_compiler() -> None:
    """The engine's kernels come with the first question: the compiler takes each process most of a second."""
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
