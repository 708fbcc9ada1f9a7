"""The instantaneous reproduction number with its interval: Cori, Ferguson, Fraser, Cauchemez (2013),
"A new framework and software to estimate time-varying reproduction numbers during epidemics",
Am J Epidemiol 178(9):1505-1512, doi:10.1093/aje/kwt133.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rt:
    """The posterior of R for each window of days, one entry a window.

    `first` and `last` are positions in the incidence (both inclusive; the estimate belongs to `last`),
    `mean`, `sd`, `low`, `median` and `high` describe the gamma posterior, `cases` is the sum of the window.
    `low` and `high` bound the central interval asked for (95 % by default).
    """

    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    mean: FloatArray
    sd: FloatArray
    low: FloatArray
    median: FloatArray
    high: FloatArray
    cases: FloatArray

    def __len__(self) -> int:
        return len(self.last)


def discretised_gamma(mean_days: float, sd_days: float, longest: int | None = None) -> FloatArray:
    """Probability of a serial interval of 0, 1, 2 … days: a gamma shifted by one day, discretised as in
    Cori et al. 2013 (web appendix 11), so that day 0 has none. Sums to 1.

    Raises ValueError unless `mean_days` > 1 and `sd_days` > 0. `longest` is the last day kept (by default
    where all but 1e-7 of the gamma lies before it).
    """
    if mean_days <= 1 or sd_days <= 0:
        raise ValueError("a serial interval needs a mean above 1 day and a standard deviation above 0")
    # Here, not above: few processes ask for R, and SciPy takes each of them half a second to load.
    from scipy.special import gammainc, gammaincinv

    shape = ((mean_days - 1) / sd_days) ** 2
    scale = sd_days**2 / (mean_days - 1)
    if longest is None:
        longest = max(int(np.ceil(scale * gammaincinv(shape, 1 - 1e-7))) + 1, 2)
    day = np.arange(longest + 1, dtype=np.float64)

    def below(x: FloatArray, a: float) -> FloatArray:
        return np.asarray(gammainc(a, np.maximum(x, 0) / scale), np.float64)

    weight = (
        day * below(day, shape)
        + (day - 2) * below(day - 2, shape)
        - 2 * (day - 1) * below(day - 1, shape)
        + shape * scale * (2 * below(day - 1, shape + 1) - below(day - 2, shape + 1) - below(day, shape + 1))
    )
    weight = np.maximum(weight, 0)
    weight[0] = 0
    return weight / weight.sum()


def total_infectiousness(incidence: Sequence[float] | FloatArray, serial_interval: FloatArray) -> FloatArray:
    """Λ for each day: the cases of the days before, weighted by the serial interval."""
    cases = np.asarray(incidence, np.float64)
    return np.convolve(cases, serial_interval)[: len(cases)] if len(cases) else cases


def estimate(
    incidence: Sequence[float] | FloatArray,
    *,
    mean_days: float,
    sd_days: float,
    window: int = 7,
    prior_mean: float = 5.0,
    prior_sd: float = 5.0,
    interval: float = 0.95,
) -> Rt:
    """R over sliding windows of `window` days, from new cases a day (consecutive days, zeros included).

    The posterior is gamma with shape a + cases of the window and scale 1 / (1/b + Λ of the window), where the
    prior has mean a·b = `prior_mean` and standard deviation `prior_sd`. The first window begins on the second
    day, and windows without any infectious case before them (Λ = 0) are left out: data say nothing there.
    A window with few cases has a wide interval; the caller decides from which number on it shows one.
    Raises ValueError for negative or missing counts, a window below 1, or an impossible serial interval.
    """
    cases = np.asarray(incidence, np.float64)
    if window < 1:
        raise ValueError("the window must be at least one day")
    if cases.ndim != 1 or not np.isfinite(cases).all() or (cases < 0).any():
        raise ValueError("incidence must be one count, not negative, for each day")
    if not 0 < interval < 1 or prior_mean <= 0 or prior_sd <= 0:
        raise ValueError("the interval must lie between 0 and 1 and the prior be positive")
    from scipy.special import gammaincinv

    weights = discretised_gamma(mean_days, sd_days)
    pressure = total_infectiousness(cases, weights)
    last = np.arange(window, len(cases), dtype=np.int64)
    first = last - window + 1
    summed_cases = _window_sums(cases, first, last)
    summed_pressure = _window_sums(pressure, first, last)
    known = summed_pressure > 0
    first, last = first[known], last[known]
    summed_cases, summed_pressure = summed_cases[known], summed_pressure[known]
    prior_shape = (prior_mean / prior_sd) ** 2
    prior_scale = prior_sd**2 / prior_mean
    shape = prior_shape + summed_cases
    scale = 1 / (1 / prior_scale + summed_pressure)
    tail = (1 - interval) / 2
    low, median, high = (np.asarray(scale * gammaincinv(shape, q), np.float64) for q in (tail, 0.5, 1 - tail))
    return Rt(first, last, shape * scale, np.sqrt(shape) * scale, low, median, high, summed_cases)


def _window_sums(values: FloatArray, first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> FloatArray:
    before = np.concatenate(([0.0], np.cumsum(values)))
    # Differences of a running sum leave dust of rounding where the truth is zero.
    return np.round(before[last + 1] - before[first], 12)
