"""A real sender as a child process, against an SMSC, on the database of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from django.db import connection


def database_url() -> str:
    """Where another process finds the database of this test."""
    known = connection.settings_dict
    password = f":{known['PASSWORD']}" if known["PASSWORD"] else ""
    user = f"{known['USER']}{password}@" if password else ""
    return (
        f"postgresql://{user}/{known['NAME']}?host={known['HOST']}&user={known['USER']}&port={known['PORT']}"
    )


def start_sender(port: int, *, window: int, binds: int, **more: Any) -> subprocess.Popen[bytes]:
    """`python -m khien.site.sender` with one SMPP gateway for all carriers."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "DATABASE_URL": database_url(),
        "KHIEN_SMS_GATEWAY": "smpp",
        "KHIEN_SMPP_ADDRESS": f"127.0.0.1:{port}",
        "KHIEN_SMPP_SYSTEM_ID": "khien",
        "KHIEN_SMPP_PASSWORD": "secret",
        "KHIEN_SMPP_WINDOW": str(window),
        "KHIEN_SMPP_BINDS": str(binds),
        **{key: str(value) for key, value in more.items()},
    }
    return subprocess.Popen([sys.executable, "-m", "khien.site.sender"], env=environment)
