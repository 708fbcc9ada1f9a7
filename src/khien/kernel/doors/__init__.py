"""What every door shares: who is asking, what a page demands, how a problem is answered."""

from khien.kernel.doors.pages import Request, public_page, resident_page, same_for_all, staff_page

__all__ = ["Request", "public_page", "resident_page", "same_for_all", "staff_page"]
