"""The gate's app: one page that a device keeps whole, with everything that it loads, and runs without a network.

Its parts are the static files of this room, served again under the app's own address: a service worker may only keep
what lies under its scope, workers included. The address of each part bears the version, which is a hash over all parts.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from khien.kernel.doors import Request, public_page
from khien.kernel.errors import NotFound
from khien.kernel.standing import colours

MODULES = (
    "app",
    "bundle",
    "bytes",
    "camera",
    "cbor",
    "codes",
    "cose",
    "device",
    "hand",
    "judge",
    "map",
    "panels",
    "sender",
    "signals",
    "store",
)
PARTS = (
    *(f"checkpoints/gate/{name}.js" for name in MODULES),
    "checkpoints/gate/gate.css",
    "checkpoints/reader.js",
    "checkpoints/step.js",
    "checkpoints/uuid7.js",
    "khien/mark.svg",
    "vendor/zxing-wasm/es/reader/index.js",
    "vendor/zxing-wasm/es/share.js",
    "vendor/zxing-wasm/zxing_reader.wasm",
    *(
        f"vendor/be-vietnam-pro/{script}-{weight}.woff2"
        for script in ("vietnamese", "latin")
        for weight in (400, 600)
    ),
)
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One file of the app with the hash by which the service worker accepts it."""

    path: Path
    sha256: str


@lru_cache(maxsize=1)
def parts() -> dict[str, Part]:
    """The app's files by their names among the static files."""
    found = {}
    for name in PARTS:
        path = finders.find(name)
        if path is None:
            raise FileNotFoundError(f"static file {name} is not here")
        octets = Path(path).read_bytes()
        found[name] = Part(Path(path), hashlib.sha256(octets).hexdigest())
    return found


def version() -> str:
    """Twelve hex digits over all parts."""
    text = json.dumps({name: part.sha256 for name, part in parts().items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _base() -> str:
    return reverse("checkpoints:gate_asset", args=[version(), "-"]).removesuffix("-")


def shell(language: str) -> bytes:
    """The page itself in a language; nothing in it is of a person, a session or a moment."""
    with translation.override(language):
        context = {"base": _base(), "version": version(), "language": language, "texts": texts()}
        return render_to_string("checkpoints/gate.html", context).encode()


def _language(request: Request) -> str:
    """The language that the address names (a service worker has no other way to say it), or the reader's own."""
    asked = request.GET.get("language", "")
    return asked if asked in dict(settings.LANGUAGES) else (get_language() or settings.LANGUAGE_CODE)


@public_page
def gate(request: Request) -> HttpResponse:
    """The app. Devices keep it; whoever opens it without being enrolled is asked for a code."""
    answer = HttpResponse(shell(_language(request)), headers={"Cache-Control": "no-cache"})
    patch_vary_headers(answer, ["Accept-Language", "Cookie"])
    return answer


@public_page
def service_worker(request: Request) -> HttpResponse:
    """What keeps the app on the device: it takes in all parts by their hashes, or none of them."""
    base, language = _base(), _language(request)
    page = reverse("checkpoints:gate")
    wanted = [[f"{page}?language={language}", hashlib.sha256(shell(language)).hexdigest()]]
    wanted += [[base + name, part.sha256] for name, part in parts().items()]
    script = Path(finders.find("checkpoints/gate/worker.js") or "").read_text()
    name = f"{version()}-{wanted[0][1][:8]}"
    head = f"const NAME = {json.dumps(name)};\nconst PARTS = {json.dumps(wanted)};\n"
    return HttpResponse(
        head + script, content_type="text/javascript", headers={"Cache-Control": "no-cache", "Vary": "Cookie"}
    )


@public_page
def manifest(request: Request) -> HttpResponse:
    """What a phone needs to put the app on its first screen."""
    start = reverse("checkpoints:gate")
    body = {
        "name": _("Khiên: chốt kiểm soát"),
        "short_name": _("Chốt Khiên"),
        "lang": get_language(),
        "id": start,
        "start_url": start,
        "scope": start,
        "display": "standalone",
        "background_color": "#07343a",
        "theme_color": "#07343a",
        "icons": [
            {"src": f"{_base()}khien/mark.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any"}
        ],
    }
    return HttpResponse(
        json.dumps(body, ensure_ascii=False),
        content_type="application/manifest+json",
        headers={"Cache-Control": "no-cache"},
    )


@public_page
def asset(request: Request, version: str, name: str) -> HttpResponse:
    """One part of the app, of the version that is served now."""
    part = parts().get(name)
    if part is None or version != globals()["version"]():
        raise NotFound()
    return HttpResponse(
        part.path.read_bytes(),
        content_type=TYPES[part.path.suffix],
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


def texts() -> dict[str, object]:
    """The words that the app's scripts put on the screen."""
    return {
        "words": {
            **{colour: colours.word(colour) for colour in colours.GRAVEST_FIRST},
            "grey": _("Chưa ghi nhận"),
        },
        "ready": _("Sẵn sàng"),
        "readyHow": _("Đưa mã vào khung hình, dùng đầu đọc, hoặc nhập số."),
        "networkOn": _("Có mạng"),
        "networkOff": _("Mất mạng"),
        "queueEmpty": _("Đã gửi hết"),
        "queueWaiting": _("{count} lượt chờ gửi"),
        "queueSince": _("{count} lượt chờ gửi, cũ nhất {age}"),
        "dataNone": _("Chưa có dữ liệu"),
        "dataAge": _("Dữ liệu {age} trước"),
        "dataNow": _("Dữ liệu mới"),
        "minutes": _("{n} phút"),
        "hours": _("{n} giờ"),
        "days": _("{n} ngày"),
        "choosePlace": _("Chọn địa điểm"),
        "placeChosen": _("Đã chọn địa điểm."),
        "placeFirst": _("Chọn địa điểm trước, hoặc quét áp phích của địa điểm."),
        "placeUnknown": _("Áp phích này không thuộc nơi máy được phép làm việc."),
        "placeNone": _("Không có địa điểm nào khớp."),
        "isBank": _("Đây là mã chuyển tiền, không phải mã của người."),
        "isAddress": _("Đây là địa chỉ một trang web, không phải mã của người."),
        "isUnknown": _("Không nhận ra mã này."),
        "isIncomplete": _("Mã trên thẻ bị đọc thiếu."),
        "isKeyboard": _("Bộ gõ tiếng Việt đã làm hỏng mã."),
        "keyboardOff": _("Tắt Telex hoặc VNI trên máy này rồi quét lại, hoặc dùng máy ảnh."),
        "needsPerson": _("Quét thẻ Khiên, CCCD, thẻ bảo hiểm, hoặc nhập số giấy tờ."),
        "scanAgain": _("Quét lại, hoặc nhập số in trên giấy."),
        "noBundle": _("Đã giữ lượt quét. Máy chưa có dữ liệu để xét: cần mạng một lần."),
        "declaration": _("Mã khai báo: chưa kiểm tra được khi mất mạng."),
        "typed": _("Đã ghi người không có mã; máy chủ tìm hồ sơ."),
        "starred": _("Mã đã che số giấy tờ. Đã ghi tên; xem thêm CCCD."),
        "forAnother": _("Mã do người khác khai thay: hỏi tên."),
        "passExpired": _("Thẻ đã hết hạn. Yêu cầu xem CCCD."),
        "passMalformed": _("Thẻ Khiên đọc không trọn. Quét lại; nếu thẻ rách, dùng CCCD."),
        "passForged": _("Thẻ này không do hệ thống ký. Yêu cầu xem CCCD."),
        "passUnknownKey": _("Thẻ ký bằng khóa mới mà máy chưa biết. Yêu cầu xem CCCD."),
        "passCopied": _("Có thể là ảnh chụp: yêu cầu mở thẻ trên chính điện thoại."),
        "comparePaper": _("Thẻ giấy: so tên và năm sinh với người cầm thẻ."),
        "certificateGood": _("Chứng nhận thật."),
        "certificateCompare": _("So tên và năm sinh; quét thêm CCCD để biết người này có lệnh gì không."),
        "certificateExpired": _("Chứng nhận đã hết hạn."),
        "certificateForged": _("Chữ ký của chứng nhận không đúng."),
        "certificateUnknown": _("Không kiểm tra được chứng nhận: không biết nơi ký."),
        "certificateMalformed": _("Chứng nhận đọc không trọn."),
        "doses": _("Đã tiêm {number}/{of} mũi, mũi này ngày {on}."),
        "testNegative": _("Xét nghiệm âm tính, lấy mẫu ngày {on}."),
        "testPositive": _("Xét nghiệm dương tính, lấy mẫu ngày {on}."),
        "recovered": _("Đã khỏi bệnh, dương tính lần đầu ngày {on}."),
        "checking": _("Đang kiểm tra trực tuyến…"),
        "checked": _("Đã kiểm tra trực tuyến."),
        "notChecked": _("Chưa kiểm tra được trực tuyến."),
        "cameraOff": _(
            "Không mở được máy ảnh. Dùng đầu đọc hoặc nhập số; xem quyền máy ảnh của trình duyệt."
        ),
        "cameraNone": _("Máy này không có máy ảnh. Dùng đầu đọc hoặc nhập số."),
        "clockWrong": _("Đồng hồ của máy lệch {age}. Giờ quét vẫn được sửa đúng; hãy chỉnh lại giờ máy."),
        "stale": _("Dữ liệu đã quá 24 giờ. Đưa máy đến nơi có mạng; gọi người phụ trách trước khi cho qua."),
        "revoked": _(
            "Máy này đã bị thu hồi hoặc tạm ngừng. Dữ liệu về người dân đã xóa; hàng chờ vẫn được giữ và gửi đi."
        ),
        "badSignature": _("Máy chủ không nhận chữ ký của máy này. Hàng chờ vẫn được giữ: báo quản trị viên."),
        "refused": _("Máy chủ từ chối: {why} Hàng chờ vẫn được giữ."),
        "badBundle": _(
            "Gói dữ liệu mới không đúng chữ ký nên bị từ chối; máy dùng dữ liệu cũ. Báo quản trị viên."
        ),
        "noSpace": _("Máy hết chỗ, lượt quét CHƯA được giữ. Xóa bớt dữ liệu khác rồi quét lại."),
        "enrolOffline": _("Cần mạng để ghi danh. Thử lại khi có mạng."),
        "enrolFailed": _("Không ghi danh được: {why}"),
        "groupState": _("{name}: {count} người"),
        "groupLine": _(
            "Dòng {line} không đọc được: cần họ tên và năm sinh, điện thoại hoặc nơi đến; hoặc một số giấy tờ."
        ),
        "typedMore": _("Cần họ tên, và năm sinh bốn chữ số."),
        "updateReady": _("Có bản mới của ứng dụng: mở “Ca trực và thiết bị” để cập nhật khi đã gửi hết."),
        "torchFailed": _("Không bật được đèn của máy này."),
        "updateBlocked": _("Còn {count} lượt chưa gửi: gửi hết rồi mới cập nhật."),
        "factDevice": _("Thiết bị"),
        "factUnit": _("Đơn vị"),
        "factQueue": _("Chờ gửi"),
        "factOldest": _("Lượt cũ nhất"),
        "factData": _("Dữ liệu lúc"),
        "factListed": _("Mã trong danh sách"),
        "factVersion": _("Ứng dụng"),
        "factClock": _("Đồng hồ lệch"),
        "factStored": _("Lưu trữ bền"),
        "kioskBegin": _("Toàn màn hình"),
        "kioskEnd": _("Thoát toàn màn hình"),
        "yes": _("có"),
        "no": _("không"),
        "seconds": _("{n} giây"),
        "people": _("Người đã quét"),
        "shiftTime": _("Từ {from} đến {to}"),
        "shiftSent": _("Mọi lượt quét đã gửi."),
        "shiftUnsent": _("Còn {count} lượt chưa gửi. Để máy mở ở nơi có mạng đến khi hết."),
    }
