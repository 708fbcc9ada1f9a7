"""Signs: which are said, which are a pause, which are silent; and numbers that are always dialled."""

from __future__ import annotations

EMERGENCY = frozenset({"111", "112", "113", "114", "115", "1022", "1080", "18001090"})
SPOKEN = {
    "%": "phần trăm",
    "‰": "phần nghìn",
    "&": "và",
    "=": "bằng",
    "<": "nhỏ hơn",
    ">": "lớn hơn",
    "@": "a còng",
    "≥": "lớn hơn hoặc bằng",
    "≤": "nhỏ hơn hoặc bằng",
    "±": "cộng trừ",
    "×": "nhân",
    "÷": "chia",
    "~": "khoảng",
    "≈": "khoảng",
    "°": "độ",
    "+": "cộng",
    "²": "bình phương",
    "³": "lập phương",
    "$": "đô la",
    "€": "ơ rô",
    "₫": "đồng",
    "№": "số",
    "£": "bảng",
    "¥": "yên",
}
SILENT = frozenset("\"'“”‘’«»`´_*#^\\′″‹›„‚")
PAUSES = frozenset(",;:()[]{}|–—-•·▪●○→←⇒…")
IN_ADDRESSES = {
    ".": "chấm",
    "/": "gạch chéo",
    "-": "gạch ngang",
    "_": "gạch dưới",
    "@": "a còng",
    ":": "hai chấm",
} | {"?": "hỏi", "=": "bằng", "&": "và", "#": "thăng", "%": "phần trăm", "+": "cộng", "~": "ngã"}
