from khien.kernel.events import declare

BROADCAST_SETTLED = declare(
    "broadcast_settled",
    "Mọi tin của một lần gửi đã có câu trả lời (phát một lần); payload: broadcast, reference, counts (số tin theo "
    "trạng thái)",
)
CAMPAIGN_FINISHED = declare(
    "campaign_finished",
    "Một đợt gửi không còn tin nào chờ hay đang gửi (phát lại nếu sau đó có người cho gửi lại tin chưa rõ); payload: "
    "campaign, version (có thể trống), state (finished, cancelled), counts (số máy theo trạng thái)",
)
BULLETIN_SUBMITTED = declare(
    "bulletin_submitted",
    "Một bản tin chờ duyệt; payload: bulletin, version, unit, emergency",
)
BULLETIN_APPROVED = declare(
    "bulletin_approved",
    "Một bản tin được duyệt đủ, các kênh bắt đầu phát; payload: bulletin, version, unit, emergency",
)
BULLETIN_REJECTED = declare(
    "bulletin_rejected",
    "Một bản tin không được duyệt; payload: bulletin, version, unit, emergency",
)
BULLETIN_WITHDRAWN = declare(
    "bulletin_withdrawn",
    "Một bản tin được rút; payload: bulletin, version, unit, emergency, was (trạng thái trước đó)",
)
