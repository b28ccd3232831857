"""Times as Docker writes them."""

from __future__ import annotations

import time

from crun_py.errors import InvalidArgument


def now() -> str:
    """The time now, RFC 3339 in UTC with nanoseconds."""
    return rfc3339(time.time_ns())


def rfc3339(ns: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 in UTC."""
    seconds, rest = divmod(ns, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"


def local(text: str) -> str:
    """An RFC 3339 time as Go prints one, in our time zone: 2026-01-31 13:00:00 +0100 CET; what is
    none, as it is."""
    if not valid(text):
        return text
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(parse_rfc3339(text) // 10**9))


def valid(text: str) -> str:
    """`text` if it is an RFC 3339 time, else ""."""
    try:
        parse_rfc3339(text)
    except ValueError:
        return ""
    return text


def known_ns(text: str) -> int:
    """As parse_rfc3339, 0 for what is no time: for what others have written."""
    return parse_rfc3339(text) if valid(text) else 0


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar.  (time.strptime and calendar would
    import re and datetime, 15 ms that `ps` does not have.)"""
    year -= month <= 2
    shifted = (month + 9) % 12  # March first, so that the leap day comes last
    since_0000 = 365 * year + year // 4 - year // 100 + year // 400
    return since_0000 + (153 * shifted + 2) // 5 + day - 719469


_LONGEST, _MARKS = 60, ("--T::", "-- ::")


def parse_rfc3339(text: str) -> int:
    """RFC 3339 (Z or an offset, any fraction) as nanoseconds since 1970.  Raises ValueError."""
    date, rest = text[:19], text[19:]
    if not text.isascii() or not 19 <= len(text) <= _LONGEST or date[4::3] not in _MARKS:
        raise ValueError(f"not an RFC 3339 time: {text}")
    year, month, day = int(date[:4]), int(date[5:7]), int(date[8:10])
    hour, minute, second = int(date[11:13]), int(date[14:16]), int(date[17:19])
    if not (0 < month < 13 and 0 < day < 32 and hour < 24 and minute < 60 and second < 61):
        raise ValueError(f"not an RFC 3339 time: {text}")
    seconds = _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    fraction = 0
    if rest.startswith("."):
        digits = rest[1:].rstrip("Zz")
        for sign in "+-":
            digits = digits.partition(sign)[0]
        fraction = int(digits[:9].ljust(9, "0"))
        rest = rest[1 + len(digits) :]
    if rest[:1] in ("+", "-"):
        hours, _, minutes = rest[1:].partition(":")
        if not 0 <= int(hours) < 24 or not 0 <= int(minutes or 0) < 60:
            raise ValueError(f"not an RFC 3339 time: {text}")
        offset = int(hours) * 3600 + int(minutes or 0) * 60
        seconds -= offset if rest[0] == "+" else -offset
    elif rest.upper() not in ("", "Z"):
        raise ValueError(f"not an RFC 3339 time: {text}")
    return seconds * 10**9 + fraction


def ago(ns: int) -> str:
    """A span of time for people, in Docker's words: `Less than a second`, `About an hour`."""
    seconds = ns // 10**9
    if seconds < 1:
        return "Less than a second"
    if seconds == 1:
        return "1 second"
    if seconds < 60:
        return f"{seconds} seconds"
    minutes = seconds // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = (seconds + 1800) // 3600
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    days = hours // 24
    if days < 14:
        return f"{days} days"
    if days < 60:
        return f"{days // 7} weeks"
    if days < 730:
        return f"{days // 30} months"
    return f"{days // 365} years"


_SPANS = {"n": 1e-9, "u": 1e-6, "i": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_point(text: str) -> int:
    """A point in time as nanoseconds since 1970: RFC 3339 (also only its date or without a
    zone), seconds since 1970, or a span before now like `90s`, `1h30m`.

    Raises InvalidArgument.
    """
    try:
        if _is_decimal(text):
            return _whole(float(text) * 10**9)
        if text[:1].isdigit() and text[-1] in _SPANS:
            return time.time_ns() - _whole(_span_s(text) * 10**9)
        whole = text + "2000-01-01T00:00:00"[len(text) : 19] if len(text) < 19 else text
        return parse_rfc3339(whole)
    except ValueError:
        raise InvalidArgument(
            f"time {text!r}: not known", hint="like 2026-01-31T12:00:00Z, 1769860800 or 42m"
        ) from None


def _is_decimal(text: str) -> bool:
    """Whether `text` is digits, perhaps with a point among them."""
    digits = text.replace(".", "", 1)
    return digits.isascii() and digits.isdecimal() and len(digits) <= 30


def _whole(number: float) -> int:
    """As an int of 64 bits.  Raises ValueError."""
    if number >= 1 << 63:
        raise ValueError(f"too large: {number}")
    return int(number)


def _span_s(text: str) -> float:
    total = 0.0
    number = ""
    for c in text.replace("ms", "i").replace("us", "u").replace("µs", "u").replace("ns", "n"):
        if c in _SPANS:
            if not _is_decimal(number):
                raise ValueError(number)
            total += float(number) * _SPANS[c]
            number = ""
        else:
            number += c
    if number or not text:
        raise ValueError(f"no unit: {text}")
    return total


def parse_span_ms(text: str, what: str) -> int:
    """`1m30s`, `500ms`, `10` (seconds) in milliseconds.  Raises InvalidArgument naming `what`."""
    try:
        return _whole((float(text) if _is_decimal(text) else _span_s(text)) * 1000)
    except ValueError:
        raise InvalidArgument(
            f"{what} {text!r}: not a span of time", hint="like 30s, 1m30s or 500ms"
        ) from None
