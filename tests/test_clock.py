"""Times and spans of time."""

from __future__ import annotations

import contextlib
import datetime
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crun_py import clock
from crun_py.errors import InvalidArgument

S = 10**9
NEW_YEAR = 1_767_225_600 * S  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    "text,ns",
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-01T00:00:00Z", NEW_YEAR),
        ("2026-01-01 00:00:00", NEW_YEAR),
        ("2026-01-01t00:00:00z".replace("t", "T"), NEW_YEAR),
        ("2026-01-01T01:30:00+01:30", NEW_YEAR),
        ("2025-12-31T16:00:00-08:00", NEW_YEAR),
        ("2026-01-01T00:00:00.5Z", NEW_YEAR + S // 2),
        ("2026-01-01T00:00:00.000000001Z", NEW_YEAR + 1),
        ("2026-01-01T00:00:00.1234567899Z", NEW_YEAR + 123456789),
        ("2026-01-01T01:00:00.25+01:00", NEW_YEAR + S // 4),
        ("2024-02-29T00:00:00Z", 1_709_164_800 * S),
        ("2000-03-01T00:00:00Z", 951_868_800 * S),
        ("1969-12-31T23:59:59Z", -S),
    ],
)
def test_points_of_rfc3339(text: str, ns: int) -> None:
    assert clock.parse_rfc3339(text) == ns


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-01", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-32T00:00:00Z",
     "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:00X",
     "2026/01/01T00:00:00Z", "2026-01-01T00-00-00Z", "x026-01-01T00:00:00Z",
     "2026-01-01T00:00:00+x", "2026-01-01T00:00:00+99999999999:00", "2026-01-01T00:00:00+00:-1",
     "\uff12026-01-01T00:00:00Z", "2026-01-01T00:00:00." + "1" * 5000 + "Z"],
)  # fmt: skip
def test_no_points_of_rfc3339(text: str) -> None:
    with pytest.raises(ValueError):
        clock.parse_rfc3339(text)


def test_what_is_no_time_is_no_error() -> None:
    assert clock.valid("2026-01-01T00:00:00Z") and clock.valid("soon") == ""
    assert clock.known_ns("1970-01-01T00:00:01Z") == S and clock.known_ns("soon") == 0
    assert clock.local("soon") == "soon"


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1)))
def test_there_and_back(when: datetime.datetime) -> None:
    known = when.replace(tzinfo=datetime.timezone.utc)  # noqa: UP017
    since = known - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)  # noqa: UP017
    ns = (since.days * 86400 + since.seconds) * S + since.microseconds * 1000
    text = clock.rfc3339(ns)
    assert text == when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond:06d}000Z"
    assert clock.parse_rfc3339(text) == ns


def test_now() -> None:
    before = time.time_ns()
    assert before <= clock.parse_rfc3339(clock.now()) <= time.time_ns()


def test_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XST-2")
    time.tzset()
    try:
        assert clock.local("2026-01-01T00:00:00.5Z") == "2026-01-01 02:00:00 +0200 XST"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "seconds,words",
    [(0, "Less than a second"), (0.9, "Less than a second"), (1, "1 second"), (59, "59 seconds"),
     (60, "About a minute"), (119, "About a minute"), (120, "2 minutes"), (3599, "59 minutes"),
     (3600, "About an hour"), (5400, "2 hours"), (47 * 3600, "47 hours"), (48 * 3600, "2 days"),
     (13 * 86400, "13 days"), (14 * 86400, "2 weeks"), (59 * 86400, "8 weeks"),
     (60 * 86400, "2 months"), (729 * 86400, "24 months"), (730 * 86400, "2 years")],
)  # fmt: skip
def test_spans_for_people(seconds: float, words: str) -> None:
    assert clock.ago(int(seconds * S)) == words


@pytest.mark.parametrize(
    "text,ms",
    [("0", 0), ("10", 10_000), ("0.5", 500), ("30s", 30_000), ("1m30s", 90_000), ("500ms", 500),
     ("1h", 3_600_000), ("1.5h", 5_400_000), ("2d", 172_800_000), ("1w", 604_800_000),
     ("1000us", 1), ("1000µs", 1), ("1000000ns", 1), ("1h0m0s", 3_600_000)],
)  # fmt: skip
def test_spans(text: str, ms: int) -> None:
    assert clock.parse_span_ms(text, "it") == ms


@pytest.mark.parametrize(
    "text",
    ["", "s", "-1", "-1s", "1x", "1m30", "1..5s", "1 s", "m1", "1e3", "inf", "٣s", "9" * 25 + "w"],
)
def test_no_spans(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        clock.parse_span_ms(text, "it")
    assert caught.value.message == f"it {text!r}: not a span of time"


@pytest.mark.parametrize(
    "text,ns",
    [("0", 0), ("1767225600", NEW_YEAR), ("1767225600.5", NEW_YEAR + S // 2),
     ("2026-01-01", NEW_YEAR), ("2026-01-01T00", NEW_YEAR), ("2026-01-01T00:00:00Z", NEW_YEAR)],
)  # fmt: skip
def test_points(text: str, ns: int) -> None:
    assert clock.parse_point(text) == ns


def test_points_before_now() -> None:
    for text, seconds in (("90s", 90), ("1h30m", 5400), ("2d", 172800)):
        assert abs(time.time_ns() - clock.parse_point(text) - seconds * S) < 5 * S


@pytest.mark.parametrize("text", ["yesterday", "-5m", "5x", "5m3", "2026-99-01", "9" * 25, "1.2.3"])
def test_no_points(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        clock.parse_point(text)
    assert caught.value.message == f"time {text!r}: not known"


@given(st.text("0123456789smhdwuµn.-:TZ+ ", max_size=25))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    for read in (clock.parse_point, lambda t: clock.parse_span_ms(t, "it")):
        with contextlib.suppress(InvalidArgument):
            assert isinstance(read(text), int)
