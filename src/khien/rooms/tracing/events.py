from khien.kernel.events import declare

CASE_OPENED = declare("case_opened", "Một ca bệnh được mở; payload: case, person, unit")
CONTACTS_LISTED = declare("contacts_listed", "Danh sách tiếp xúc được lập; payload: case, list, count")
CONTACTS_APPROVED = declare(
    "contacts_approved",
    "Danh sách tiếp xúc được duyệt; payload: case, contacts: [{contact, person, degree, last_exposure (ISO)}]",
)
CASE_CLOSED = declare("case_closed", "Một ca bệnh được đóng; payload: case, person, unit")
PAIR_CONTACTS_IMPORTED = declare(
    "pair_contacts_imported",
    "Tiếp xúc ghi bằng thiết bị được nhập; payload: log, stored, first_day, last_day (ISO)",
)
