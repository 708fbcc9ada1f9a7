"""The only source of now. A demo's clock runs faster than the sun; everybody else's does not.

All processes of an installation agree because the setting lives in the database. Times are aware
UTC; `local` and `today` speak `Asia/Ho_Chi_Minh`.
"""

from khien.kernel.clock.reads import ZONE, local, now, start_of_day, today

__all__ = ["ZONE", "local", "now", "start_of_day", "today"]
