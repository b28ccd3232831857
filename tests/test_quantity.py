"""Numbers and sizes as users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crun_py import quantity
from crun_py.errors import InvalidArgument


@pytest.mark.parametrize(
    "text,good",
    [("0", True), ("007", True), ("9" * 19, True), ("9" * 20, False), ("", False), ("-1", False),
     ("+1", False), ("1.0", False), (" 1", False), ("1\n", False), ("٣", False), ("²", False)],
)  # fmt: skip
def test_numbers(text: str, good: bool) -> None:
    assert quantity.is_number(text) is good


@pytest.mark.parametrize(
    "text,least,number",
    [("0", 0, 0), ("+5", 0, 5), ("007", 0, 7), ("-1", -1, -1),
     (str(quantity.MOST), 0, (1 << 63) - 1)],
)  # fmt: skip
def test_whole_numbers(text: str, least: int, number: int) -> None:
    assert quantity.whole(text, "it", least) == number


@pytest.mark.parametrize(
    "text,least,why",
    [
        ("", 0, "not a whole number"), ("x", 0, "not a whole number"),
        ("1_000", 0, "not a whole number"), ("0x10", 0, "not a whole number"),
        ("1.5", 0, "not a whole number"), (" 1", 0, "not a whole number"),
        ("--1", -1, "not a whole number"), ("٣", 0, "not a whole number"),
        ("9" * 41, 0, "not a whole number"), ("-1", 0, "not a whole number"),
        ("-2", -1, f"not within -1 and {quantity.MOST}"),
        (str(1 << 63), 0, f"not within 0 and {quantity.MOST}"),
    ],
)  # fmt: skip
def test_no_whole_numbers(text: str, least: int, why: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        quantity.whole(text, "it", least)
    shown = text if len(text) <= 40 else text[:40] + "…"
    assert caught.value.message == f"it {shown!r}: {why}"


def test_other_bases_and_ends() -> None:
    assert quantity.whole("755", "mode", 0, 0o7777, base=8) == 0o755
    with pytest.raises(InvalidArgument, match="not a whole number"):
        quantity.whole("8", "mode", base=8)
    with pytest.raises(InvalidArgument, match="not within 10 and 1000"):
        quantity.whole("9", "weight", 10, 1000)


@pytest.mark.parametrize(
    "text,size",
    [("0", 0), ("512", 512), ("5b", 5), ("1k", 1024), ("1K", 1024), ("1kb", 1024), ("1KiB", 1024),
     ("64m", 64 << 20), ("1.5g", 3 << 29), ("1.5gb", 3 << 29), ("2TiB", 2 << 40), (".5k", 512),
     ("1.k", 1024), (" 1k ", 1024)],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert quantity.size(text, "it") == size


@pytest.mark.parametrize(
    "text",
    ["", "k", "-1", "+1", "1x", "1p", "1.2.3k", "1e3", "1 k", "0x10", "inf", "nan", "1kk", "1bk",
     "1mi", "٣k", "1_0"],
)  # fmt: skip
def test_no_sizes(text: str) -> None:
    with pytest.raises(InvalidArgument, match="not a size"):
        quantity.size(text, "it")


def test_sizes_that_are_too_large() -> None:
    for text in ("9000000t", "9" * 30):
        with pytest.raises(InvalidArgument, match=f"more than {quantity.MOST} bytes"):
            quantity.size(text, "it")
    with pytest.raises(InvalidArgument, match="not a size"):
        quantity.size("9" * 400, "it")  # no float is so large


def test_seconds() -> None:
    assert (quantity.seconds("10", "it"), quantity.seconds(10, "it")) == (10, 10)
    assert quantity.seconds("-1", "it", -1) == -1
    for text in ("-1", "1s", str(1 << 31)):
        with pytest.raises(InvalidArgument, match=r"^it "):
            quantity.seconds(text, "it")


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    for read in (quantity.whole, quantity.size, quantity.seconds):
        try:
            assert 0 <= read(text, "it") <= quantity.MOST
        except InvalidArgument as e:
            assert e.message.startswith("it ")
