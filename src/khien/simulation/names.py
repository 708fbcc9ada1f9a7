"""Vietnamese names with their rough frequencies in the Red River delta."""

from __future__ import annotations

import numpy as np

FAMILY: tuple[tuple[str, float], ...] = (
    ("Nguyễn", 34.0), ("Trần", 12.5), ("Phạm", 8.5), ("Lê", 8.0), ("Vũ", 5.0), ("Hoàng", 4.2),
    ("Bùi", 3.0), ("Đỗ", 2.8), ("Đặng", 2.3), ("Phan", 2.0), ("Ngô", 1.8), ("Dương", 1.5),
    ("Đinh", 1.5), ("Lại", 1.4), ("Trương", 1.2), ("Đào", 1.2), ("Lương", 0.9), ("Chu", 0.8),
    ("Tạ", 0.7), ("Mai", 0.7), ("Trịnh", 0.7), ("Hà", 0.6), ("Cao", 0.6), ("Đoàn", 0.6),
    ("Nhữ", 0.3), ("Kiều", 0.4), ("Quách", 0.3), ("Lưu", 0.4), ("Tống", 0.3), ("Phùng", 0.4),
    ("Thái", 0.2), ("La", 0.1), ("Ong", 0.05), ("Cù", 0.1), ("Khổng", 0.1), ("Nghiêm", 0.1),
)  # fmt: skip


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


MIDDLE_MALE = _words(
    "Văn Đức Minh Quang Hữu Xuân Ngọc Đình Thanh Công Mạnh Tuấn Quốc Trọng Duy Gia Bảo Hoàng Anh Thế "
    "Đăng Việt Tiến Hải Trung "
)
MIDDLE_FEMALE = _words(
    "Thị Thu Thanh Ngọc Minh Phương Hồng Bích Kim Khánh Thùy Mai Quỳnh Diệu Bảo Lan Tuyết Hà Hoài "
    "Như Cẩm Thảo Hải Yến Kiều "
)
GIVEN_MALE = _words(
    "Hùng Dũng Tuấn Anh Minh Nam Hải Sơn Long Thắng Cường Hiếu Đức Trung Tùng Mạnh Quân Huy Thành "
    "Hưng Tiến Toàn Phúc Bình Hòa Khánh Kiên Linh Lâm Lộc Nghĩa Ninh Phong Phương Quang Quyết Quý "
    "Tài Tâm Tân Thái Thiện Thịnh Thuận Toản Trường Tú Vinh Việt Vũ Chiến Chung Công Dương Duy Đạt "
    "Điệp Giang Hoàng Khoa Bảo Khôi Đăng Chính Hậu Luân Lực Ngọc Nhân Oanh Sáng Thọ Thủy Tính Trọng "
    "Ước Văn Xuân "
)
GIVEN_FEMALE = _words(
    "Hương Hoa Lan Huyền Linh Trang Hằng Thảo Thủy Hà Mai Nga Phương Anh Yến Ngọc Hạnh Hiền Loan "
    "Nhung Dung Thu Thúy Tuyết Vân Bích Chi Diệp Duyên Giang Hải Hoài Hòa Hồng Huệ Khánh Lệ Liên "
    "Luyến Ly Lý Minh My Ngà Ngân Nguyệt Nhàn Nhi Oanh Quyên Quỳnh Tâm Thắm Thanh Thoa Thơ Thơm "
    "Thương Tình Trà Trinh Tú Uyên Xoan Xuân Yên Ánh Châu Cúc Đào Gấm Lành Mến Mơ Nụ Sen Sim Vui "
)


def _zipf(count: int, offset: float = 4.0) -> np.ndarray:
    weights = 1.0 / (np.arange(count) + offset)
    return weights / weights.sum()


def draw_family(size: int, rng: np.random.Generator) -> np.ndarray:
    """Indices into FAMILY."""
    weights = np.array([weight for _, weight in FAMILY])
    return rng.choice(len(FAMILY), size=size, p=weights / weights.sum()).astype(np.int16)


def draw_middle(female: np.ndarray, birth_year: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices into MIDDLE_MALE or MIDDLE_FEMALE; 'Văn' and 'Thị' (index 0) grow rare with the birth year."""
    traditional = np.clip(0.85 - (birth_year - 1975) * 0.016, 0.12, 0.85)
    traditional = np.where(female, traditional, traditional * 0.7)
    other = 1 + rng.choice(len(MIDDLE_MALE) - 1, size=len(female), p=_zipf(len(MIDDLE_MALE) - 1))
    return np.where(rng.random(len(female)) < traditional, 0, other).astype(np.int16)


def draw_given(female: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Indices into GIVEN_MALE or GIVEN_FEMALE."""
    male_index = rng.choice(len(GIVEN_MALE), size=len(female), p=_zipf(len(GIVEN_MALE)))
    female_index = rng.choice(len(GIVEN_FEMALE), size=len(female), p=_zipf(len(GIVEN_FEMALE)))
    return np.where(female, female_index, male_index).astype(np.int16)
