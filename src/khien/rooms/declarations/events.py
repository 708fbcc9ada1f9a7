from khien.kernel.events import declare

DECLARATION_NEEDS_ATTENTION = declare(
    "declaration_needs_attention",
    "Một tờ khai cần cán bộ xem; payload: declaration, task, person (null khi chưa đối chiếu), unit, reasons "
    "(mã của quy định), sample (có cần lấy mẫu không)",
)
DECLARATION_SETTLED = declare(
    "declaration_settled",
    "Cán bộ đã xử lý một tờ khai; payload: declaration, task, person, unit, outcome",
)
