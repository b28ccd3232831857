"""How long a registry is waited for, and how often it is asked again."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from crun_py.quantity import is_number


class Patience:
    """How long to wait, in seconds, and how often to try.

    min_rate: bytes per second below which a transfer is given up, over window_s.
    """

    def __init__(
        self,
        *,
        connect_s: float = 20,
        read_s: float = 30,
        tries: int = 6,
        first_backoff_s: float = 1,
        max_backoff_s: float = 60,
        min_rate: int = 4096,
        window_s: float = 30,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.connect_s = connect_s
        self.read_s = read_s
        self.tries = tries
        self.first_backoff_s = first_backoff_s
        self.max_backoff_s = max_backoff_s
        self.min_rate = min_rate
        self.window_s = window_s
        self.sleep = sleep

    def backoff_s(self, attempt: int, retry_after: str = "") -> float:
        """Seconds to wait after try number `attempt` (0 is the first)."""
        wanted: float = self.first_backoff_s * 2.0**attempt
        if retry_after:
            wanted = max(wanted, _retry_after_s(retry_after))
        return min(wanted, self.max_backoff_s)


def _retry_after_s(text: str) -> float:
    if is_number(seconds := text.strip()):
        return float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
