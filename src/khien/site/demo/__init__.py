"""The living demo: Hà Nam with synthetic people, an epidemic among them, and staff who answer it.

`load` fills an empty installation with the first days; `live` goes on hour by hour. Everything enters by
the same verbs as in a real installation; only the faces are invented (`khien.simulation`).
"""

from __future__ import annotations

import signal
import sys
import threading

PEOPLE, FULL_PEOPLE = 20_000, 900_000
DAYS = 14
SEED = 1


def load(full: bool = False) -> None:
    """Load whatever of the demo is not there yet (the supervisor's hook); a broken-off load goes on."""
    from khien.site.demo import ground

    ground.prepare(
        people=FULL_PEOPLE if full else PEOPLE,
        days=DAYS,
        seed=SEED,
        tell=lambda text: print(f"  {text}", file=sys.stderr, flush=True),
    )


def live(speed: float) -> None:
    """Keep the demo moving until SIGTERM, at `speed` × real time (the supervisor's hook)."""
    from khien.site.demo import living

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    living.run(stop, speed=speed)


def welcome(url: str) -> str:
    """What a visitor reads when the demo is up: address, accounts, what to try first."""
    import django

    django.setup()  # the supervisor itself has no need of it
    from khien.site.demo.staff import ACCOUNTS, PASSWORD

    names = "\n".join(
        f"    {entry.username:<12} {entry.role.label}{' (một phường)' if entry.commune else ''}"
        for entry in ACCOUNTS
    )
    return f"""
  Khiên đang chạy ở {url}

  Đăng nhập bằng một trong các tài khoản sau, mật khẩu {PASSWORD}:
{names}

  Thử trước: đăng nhập là truyvet, mở một ca mới, duyệt danh sách tiếp xúc; rồi xem
  tin nhắn trong máy giả lập ({url}/gateways/sms/) và bảng tình hình của lanhdao.
  Một giờ trong bản trình diễn trôi qua trong một phút. Ctrl-C để dừng tất cả.
"""
