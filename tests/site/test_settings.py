"""Settings that would harm people are refused before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"KHIEN_MODE": "production"}, "KHIEN_SECRET"),
        ({"KHIEN_MODE": "production", "KHIEN_SECRET": "short"}, "KHIEN_SECRET"),
        ({"KHIEN_MODE": "production", "KHIEN_SECRET": "x" * 40, "KHIEN_DEMO": "1"}, "KHIEN_DEMO"),
        ({"KHIEN_DEMO": "1", "KHIEN_SMS_GATEWAY": "http_json"}, "KHIEN_SMS_GATEWAY"),
        ({"KHIEN_DEMO": "1", "KHIEN_SMS_CARRIERS": "/etc/khien/carriers.toml"}, "KHIEN_SMS_CARRIERS"),
        ({"KHIEN_DEMO": "perhaps"}, "KHIEN_DEMO"),
    ],
)
def test_a_dangerous_setting_is_refused_by_name(changes: dict[str, str], named: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import khien.site.settings"],
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode != 0
    assert "SettingError" in told.stderr
    assert named in told.stderr.splitlines()[-1]
