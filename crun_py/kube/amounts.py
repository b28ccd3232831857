"""Quantities as Kubernetes writes them: 500m, 0.5, 64Mi, 1e3."""

from __future__ import annotations

from crun_py.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction

_SCALES = {"m": 1e-3, "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
           "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}  # fmt: skip
_MOST = 2**62
_FINEST = -64
"""So many digits behind the point are taken."""


def amount(text: str, what: str) -> float:
    """The number that a quantity means.  Raises InvalidArgument."""
    unit = next((u for u in sorted(_SCALES, key=len, reverse=True) if u and text.endswith(u)), "")
    digits = text.removesuffix(unit)
    try:
        if not digits.isascii() or digits.strip() != digits or "_" in digits:
            raise ValueError
        value = float(digits) * _SCALES[unit]
    except ValueError:
        raise InvalidArgument(f"{what} {text[:40]!r}: not a quantity") from None
    if not 0 <= value < _MOST:
        raise InvalidArgument(f"{what} {text[:40]!r}: out of range")
    return value


def ceiled(text: str, what: str, divisor: str, *, finest: int) -> int:
    """How often `divisor` is in a quantity, rounded up, as a resourceFieldRef has it.

    finest: how many of the smallest parts make 1: both are rounded up to these before, 1000 for
    processors, 1 for bytes.  Raises InvalidArgument.
    """
    found, by = (_exact(one, where) * finest for one, where in (
        (text, what), (divisor or "1", f"{what} divisor")))  # fmt: skip
    return -(-_up(found) // (_up(by) or finest))


def _up(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)


def _exact(text: str, what: str) -> Fraction:
    """As `amount`, without what a float cannot say.  Raises InvalidArgument."""
    from decimal import Decimal
    from fractions import Fraction

    if not amount(text, what):
        return Fraction(0)
    unit = text.lstrip("0123456789.+-eE")  # E is none of the units that are known
    number = Decimal(text.removesuffix(unit))
    if int(number.as_tuple().exponent) < _FINEST:
        raise InvalidArgument(f"{what} {text[:40]!r}: out of range")
    scale = Fraction(1, 1000) if unit == "m" else Fraction(_SCALES[unit])
    return Fraction(number) * scale


def written(size_bytes: int) -> str:
    """Bytes as a quantity."""
    for unit in ("Gi", "Mi", "Ki"):
        scale = int(_SCALES[unit])
        if size_bytes % scale == 0:
            return f"{size_bytes // scale}{unit}"
    return str(size_bytes)
