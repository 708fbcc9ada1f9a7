"""What is looked for: shapes of days, hours, numbers, codes, and the words before them that decide a meaning.

No pattern repeats a repetition, so that a hostile text costs no more than an honest one of its length.
"""

from __future__ import annotations

import re

from khien.kernel.language.spoken import syllables

_N = r"[0-9]"
LETTER = f"[{''.join(sorted(syllables.ALPHABET))}{''.join(sorted(syllables.ALPHABET)).upper()}]"
_D, _M, _Y = r"(0?[1-9]|[12][0-9]|3[01])", r"(0?[1-9]|1[0-2])", r"((?:1[89]|2[01])[0-9]{2})"
_NOT_MORE = r"(?![0-9]|[.,/:][0-9])"

URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"“”()]*[^\s<>\"“”().,;:!?]"
    r"|[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
    r"|(?:[A-Za-z0-9-]{1,63}\.){1,6}(?:vn|com|net|org|gov|edu|info|html)(?:/[^\s<>\"“”()]*[^\s<>\"“”().,;:!?])?"
    rf"(?!{LETTER}|{_N}|@)"
)
ISO_DAY = re.compile(rf"{_Y}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]){_NOT_MORE}")
DAYS = re.compile(rf"{_D}\s?[-–—]\s?{_D}/{_M}(?:/{_Y})?{_NOT_MORE}(?!{LETTER})")
DAY = re.compile(rf"([0-9]{{1,2}})([/.-])([0-9]{{1,2}})\2{_Y}{_NOT_MORE}")
SHORT_DAY = re.compile(rf"{_D}/{_M}/([0-9]{{2}}){_NOT_MORE}(?!{LETTER})")
DOCUMENT = re.compile(
    rf"([0-9]{{1,6}}{LETTER}?)(?:/{_Y})?/([A-ZĐ][A-Za-zĐđ&]*[0-9]{{0,2}}(?:\s?[-–]\s?[A-ZĐ][A-Za-zĐđ&.]*[A-Za-zĐđ][0-9]{{0,2}}|[-–][A-ZĐ])*)"
    rf"(?!{LETTER}|{_N})"
)
PLATE = re.compile(r"([0-9]{2})[- ]?([A-ZĐ]{1,2}[0-9]?)[- ]([0-9]{3}\.[0-9]{2}|[0-9]{4,5})(?![0-9])")
CLOCK = re.compile(
    r"([0-9]{1,2})(?:\s?(?:h|giờ)\s?([0-5][0-9])(?!\s?(?:%|người|ca))(?:\s?(?:phút|['’′]|ph|p(?!\w)))?"
    r"|\s?giờ\s([0-9])(?=\s*(?:phút|sáng|trưa|chiều|tối|đêm|ngày|hôm|đến|[-–,.;:!?)]|$))(?:\s?phút)?"
    r"|g([0-5][0-9])(?:\s?phút)?"
    r"|\s?g(?=\s(?:sáng|trưa|chiều|tối|đêm))"
    r"|\s?h(?:([0-9])(?![0-9]))?"
    r"|:([0-5][0-9])(?::([0-5][0-9]))?)"
    r"(?![0-9\w]|[.:/][0-9])",
    re.MULTILINE,
)
HOURS_AND_WORD = re.compile(r"([0-9]{1,2})\sgiờ\s([0-9])(?![0-9.,/:\w])")
DATE_LIKE = re.compile(rf"{_D}([/-]){_M}{_NOT_MORE}")
MONTH = re.compile(rf"{_M}([/-]){_Y}{_NOT_MORE}")
SLASHES = re.compile(r"[0-9]+[A-Z]?(?:/[0-9]+[A-Ga-g]?)+(?![0-9])")
VULGAR = re.compile(r"([0-9]{1,4})\u2044([0-9]{1,4})")
RATIO = re.compile(r"([0-9]{1,6}):([0-9]{1,6})(?![0-9:])")
NUMBER = re.compile(
    r"(?P<grouped>[0-9]{1,3}(?:\.[0-9]{3})+)(?:,(?P<grouped_fraction>[0-9]+))?(?![0-9]|\.[0-9])"
    r"|(?P<english>[0-9]{1,3}(?:,[0-9]{3}){2,})(?:\.(?P<english_fraction>[0-9]+))?(?![0-9]|[.,][0-9])"
    r"|(?P<whole>[0-9]+)(?:(?P<mark>[,.])(?P<fraction>[0-9]+)(?![0-9]|[.,][0-9]))?"
)
PHONE = re.compile(
    r"\+84[ .-]?(?:\(0\))?[0-9]{1,3}(?:[ .-]?[0-9]{2,4}){2,3}(?![0-9])"
    r"|\(0[0-9]{1,3}\)[ .-]?[0-9]{3,4}(?:[ .-]?[0-9]{2,4}){1,2}(?![0-9])"
    r"|1[89]00[ .-]?[0-9]{2,4}(?:[ .-]?[0-9]{2,3})?(?![0-9]|[.,][0-9])"
    r"|0[0-9]{1,3}(?:[ .-][0-9]{2,4}){2,3}(?![0-9])"
    r"|0[235789][0-9]{8,9}(?![0-9])"
)
MARKER = re.compile(
    r"[ \t]*(?:[-–—•·▪●○◦*+✓➢][ \t]+|(?P<number>[0-9]{1,2}(?:\.[0-9]{1,2}){0,3})[.)/][ \t]+"
    r"|(?P<letter>[a-zđA-ZĐ])[.)][ \t]+|(?P<roman>[IVX]{1,5})[.)][ \t]+)(?=\S)"
)
WORD = re.compile(rf"{LETTER}+")
FOREIGN = re.compile(rf"(?:(?!{LETTER}|[²³])[^\W\d_])+")
FOREIGN_EDGE = re.compile(
    rf"(?<=[0-9²³{LETTER[1:-1]}])(?=(?!{LETTER}|[²³])[^\W\d_])|(?<=[^\W\d_])(?<![²³{LETTER[1:-1]}])(?={LETTER}|[0-9²³])"
)
CODE = re.compile(rf"{LETTER}+(?:[-.]?[0-9]+(?:\.[0-9]+)*{LETTER}*)+(?![0-9])")

PERCENT = re.compile(r"\s?(?:%o?(?!\w)|(‰))")
DEGREES = re.compile(r"\s?(?:°|º|độ\s)\s?([CF])(?!\w)")
MINUTES = re.compile(r"['’′](?![\w'])")
TIMES = re.compile(r"\s?[x×]\s?(?=[0-9])")
GLUED = re.compile(rf"({LETTER}{{1,3}})(?!\w)")
SHORT_NUMBER = re.compile(r"[0-9]{3,6}(?![0-9\w]|[.,/:-][0-9]|\s?%)")
NAMED = re.compile(r"\.?\s?(?=[0-9A-ZĐÀ-ỸẠ-Ỹ])|\.\s?(?=$|[^\w\s])")
TO_NUMBER = re.compile(r"[-–—]\s?(?=[0-9])")
TO_WEEKDAY = re.compile(r"[-–—]\s?(?=thứ|chủ nhật|cn|T[2-7])", re.IGNORECASE)
BELOW_ZERO = re.compile(r"-[0-9]+(?:,[0-9]+)?\s?(?:°|độ)")
PRICE = re.compile(r"[$€]\s?(?=[0-9])")

BEFORE = 48
"""Characters that are looked at to the left of a place."""


def _after(words: str) -> re.Pattern[str]:
    """Matches text that ends with one of the words and what may stand between it and a number."""
    return re.compile(rf"(?:^|[^\w])(?:{words})[\s:.(]*$", re.IGNORECASE)


DAY_WORD = _after("ngày|mùng|mồng")
FIRST_DAYS = _after("mùng|mồng")
WEEKDAY = re.compile(r"thứ\s\w+\s?$", re.IGNORECASE)
AROUND_A_DAY = _after(
    "hôm|sáng|trưa|chiều|tối|đêm|hết|hạn|thứ (?:hai|ba|tư|năm|sáu|bảy|[2-7])|chủ nhật|từ|đến|tới|trước|sau|lễ|dịp"
    "|(?:giờ|phút|h|[0-9])|và|kể từ|vào|cn|(?:thứ (?:hai|ba|tư|năm|sáu|bảy|[2-7])|chủ nhật|sáng|chiều|tối),"
)
MONTH_WORD = _after("tháng|tháng giêng")
PERIOD_WORD = _after("quý|quí|tuần|kỳ|đợt|học kỳ")
ADDRESS = _after(
    "số|số nhà|nhà|ngõ|ngách|hẻm|kiệt|lô|tổ|căn|phòng|đường số|địa chỉ|sn|thửa|thôn|xóm|khu|quốc lộ|bản số|biển số"
)
FRACTION = _after(
    "tỷ lệ|tỉ lệ|chiếm|hơn|gần|khoảng|được|bằng|giảm|tăng|còn|quá|trên|dưới|ít nhất|tối thiểu|tối đa|đạt"
    "|kết quả|phân số"
)
RATIO_WORD = _after(
    "tỷ lệ|tỉ lệ|tỷ số|tỉ số|huyết áp|pha|hỗ trợ|trực|phục vụ|hoạt động|làm việc|mở cửa|thường trực|liên tục|canh gác"
)
CALL = _after(
    "gọi|gọi (?:ngay|điện|số|tới|đến|cho)|gọi (?:ngay|điện) (?:số|tới|đến|cho)|đường dây nóng|hotline|tổng đài|số máy"
    "|điện thoại|số điện thoại|đt|sđt|gửi|gửi tới|gửi đến|liên hệ|cấp cứu|nhánh|đầu số|di động|số|alo|máy lẻ"
)
CALL_STRONG = _after(
    "gọi|gọi (?:ngay|điện|số)|gọi (?:ngay|điện) số|đường dây nóng|hotline|tổng đài|số máy|điện thoại|số điện thoại|đt"
    "|sđt|cấp cứu|nhánh|đầu số|di động|alo|máy lẻ|số khẩn cấp"
)
SEND = _after("gửi|gửi tới|gửi đến|nhắn tin tới|nhắn tin đến")
CLOSED = re.compile(r"\s*(?:[.,;:!?)\n]|$)")
ROMAN_WORD = _after(
    "quý|quí|khóa|khoá|kỳ|thế kỷ|chương|phần|mục|lần|cấp|hạng|loại|bậc|giai đoạn|khu|tập|phụ lục|đợt|đại hội|nhiệm kỳ"
    "|vùng|tuyến|nhóm|nhóm nguy cơ|điều|bảng|hội nghị|ban"
)
ORDER_WORD = _after("thứ")
RANK_WORD = _after(
    "lần thứ|đứng thứ|hạng thứ|người thứ|ngày thứ|mũi thứ|liều thứ|tuần thứ|xếp thứ|vị trí thứ"
)
NUMBERED = re.compile(rf"[0-9][.,0-9]*(?:\s?{LETTER}{{1,8}}){{1,3}}(?:/{LETTER}{{1,8}}){{0,2}}$")
INITIALS = re.compile(rf"[A-ZĐ](?:\.[A-ZĐ])+(?!{LETTER}|[0-9])")
SHARE_OF = re.compile(
    r"\s(?:số|dân số|tổng|diện tích|thời gian|quân số|quãng|chiều|lượng|công suất|sức chứa)(?!\w)"
)
OF_COUNTED = re.compile(
    r"\s(?:huyện|xã|phường|thôn|tổ|mẫu|ca|người|trường|hộ|liều|đơn vị|cơ sở|bệnh nhân|trạm|chốt"
    r"|phiếu|đại biểu|trường hợp)(?!\w)"
)
AND_AGAIN = re.compile(r"[\s,;/]*(?:(?:và|hoặc|hay)\s+)?")
