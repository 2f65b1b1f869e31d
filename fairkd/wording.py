"""How numbers are written, wherever they are shown: on the page, in figures, in sentences, on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number(value: float | None, digits: int = 3) -> str:
    """A number with a true minus sign; "–" for what is missing.

    >>> number(-0.0421, 2), number(float("nan"))
    ('−0.04', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def interval(low: float, high: float, digits: int = 2) -> str:
    """An interval as "[low, high]", whose ends no line parts; empty where there is none.

    It has more digits (6 at most) where an end beside zero would be printed as zero: whether an interval holds zero is
    what it is read for.

    >>> interval(-0.2, 0.31), interval(0.0004, 0.002)
    ('[−0.20,\\xa00.31]', '[0.0004,\\xa00.0020]')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    while digits < 6 and any(end != 0 and float(f"{end:.{digits}f}") == 0 for end in (low, high)):
        digits += 1
    return f"[{number(low, digits)},\N{NO-BREAK SPACE}{number(high, digits)}]"


def percent(level: float) -> str:
    """The level of an interval, with as many digits as it takes to tell it from 100.

    >>> percent(0.95), percent(1 - 0.05 / 15), percent(1 - 0.05 / 90)
    ('95 %', '99.7 %', '99.94 %')
    """
    return f"{100 * level:.{0 if level < 0.99 else 1 if level < 0.999 else 2}f} %"


def p_text(value: float | None) -> str:
    """A p-value to three decimals, "< 0.001" below that; "–" for what is missing.

    >>> p_text(0.0004), p_text(0.25)
    ('< 0.001', '0.250')
    """
    if value is not None and value < 0.001:
        return "< 0.001"
    return number(value)


def with_interval(value: float, low: float, high: float, seeds: int, *, over: str, digits: int = 3) -> str:
    """A value, its interval and what the interval covers; ``over`` names what is not a seed.

    >>> with_interval(-0.12, -0.2, -0.04, 3, over="stimulus words")
    '−0.120 [−0.200,\\xa0−0.040] over stimulus words and 3 seeds'
    """
    ends = interval(low, high, digits)
    covers = f"{over}, with one seed" if seeds == 1 else f"{over} and {seeds} seeds"
    return f"{number(value, digits)} {ends} over {covers}" if ends else number(value, digits)


def how_many(count: int, noun: str) -> str:
    """How many there are of something whose plural takes an s.

    >>> how_many(1, "student"), how_many(1704, "update")
    ('1 student', '1,704 updates')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """A list as a sentence has it.

    >>> listed(["C6", "C7", "C8"])
    'C6, C7 and C8'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def duration(seconds: float) -> str:
    """A time in words, as exact as one wants it.

    >>> duration(3.2), duration(80), duration(7500), duration(300_000)
    ('3 s', '1 min 20 s', '2 h 5 min', '3 days 11 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 2 * 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"
