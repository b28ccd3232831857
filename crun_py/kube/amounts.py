"""Quantities as Kubernetes writes them: 500m, 0.5, 64Mi, 1e3."""

from __future__ import annotations

from crun_py.errors import InvalidArgument

_SCALES = {"m": 1e-3, "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
           "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}  # fmt: skip
_MOST = 2**62


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


def written(size_bytes: int) -> str:
    """Bytes as a quantity."""
    for unit in ("Gi", "Mi", "Ki"):
        scale = int(_SCALES[unit])
        if size_bytes % scale == 0:
            return f"{size_bytes // scale}{unit}"
    return str(size_bytes)
