from khien.kernel.events import declare

BROADCAST_SETTLED = declare(
    "broadcast_settled",
    "Mọi tin của một lần gửi đã có câu trả lời (phát một lần); payload: broadcast, reference, counts (số tin theo "
    "trạng thái)",
)
