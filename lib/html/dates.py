"""Dates as pages write them, made ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

MAX_CHARACTERS = 100  # no date is longer, and the patterns backtrack
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)"
    r"(?:[T ]+(\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?\s*(Z|UTC|GMT|[+-]\d\d:?(?:\d\d)?)?)?",
    re.IGNORECASE,
)
_PARTIAL = re.compile(r"(\d{4})(?:-(\d\d))?")
_SLASHED = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})")
_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
    for name in (names,)
}
_ENGLISH = re.compile(
    r"(?:(?P<d1>\d{1,2})(?:st|nd|rd|th)?\s+)?(?P<month>[A-Za-z]{3,9})\.?,?\s+(?:(?P<d2>\d{1,2})(?:st|nd|rd|th)?,?\s+)?(?P<year>\d{4})"
)


def iso_date(raw: str) -> str | None:
    """`2024-05-01`, `2024-05-01T10:00:00+02:00` or None; a year or month alone stays one (`2024-05`).

    What is read: ISO 8601 and its near misses, RFC 2822, `2024/5/1`, `1.5.2024`, `May 1, 2024`, `1 May 2024`.
    `5/1/2024` means two days: None.
    """
    raw = raw.strip()
    if len(raw) > MAX_CHARACTERS:
        return None
    return _iso(raw) or _partial(raw) or _numeric(raw) or _rfc2822(raw) or _english(raw)


def _iso(raw: str) -> str | None:
    match = _ISO.fullmatch(raw)
    if not match:
        return None
    year, month, day, hour, minute, second, zone = match.groups()
    try:
        if hour is None:
            return date(int(year), int(month), int(day)).isoformat()
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
    except ValueError:
        return None
    return moment.isoformat() + _zone(zone)


def _zone(zone: str | None) -> str:
    if zone is None:
        return ""
    if zone.upper() in {"Z", "UTC", "GMT"}:
        return "+00:00"
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return f"{zone[0]}{digits[:2]}:{digits[2:]}"


def _partial(raw: str) -> str | None:
    match = _PARTIAL.fullmatch(raw)
    if not match or not int(match[1]) >= 1000 or not 1 <= int(match[2] or 1) <= 12:
        return None
    return raw


def _numeric(raw: str) -> str | None:
    slashed, german = _SLASHED.fullmatch(raw), _GERMAN.fullmatch(raw)
    if slashed:
        return _day(slashed[1], slashed[2], slashed[3])
    return _day(german[3], german[2], german[1]) if german else None


def _rfc2822(raw: str) -> str | None:
    if "," not in raw[:4] and ":" not in raw:
        return None
    try:
        moment = parsedate_to_datetime(raw)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _english(raw: str) -> str | None:
    match = _ENGLISH.fullmatch(raw)
    if not match:
        return None
    month = _MONTHS.get(match["month"][:3].lower())
    day = match["d1"] or match["d2"]
    if month is None:
        return None
    return _day(match["year"], str(month), day) if day else f"{match['year']}-{month:02}"


def _day(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None
