"""Quota: how many events an agency may submit, as a token bucket per agency."""

import threading
from datetime import datetime

from credit_service.errors import CreditError, Reason

# Seconds of the agreed rate that may come at once.
BURST_SECONDS = 60


class Quota:
    """Counts what agencies submit; a rate of 0 means no limit."""

    def __init__(self, events_per_second: int) -> None:
        """Takes the rate that each agency may keep up."""
        self._rate = events_per_second
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, datetime]] = {}

    def spend(self, agency: str, count: int, now: datetime) -> None:
        """Fails with QUOTA_EXCEEDED, and spends nothing, when the agency has sent more than agreed.

        What never fits is BATCH_TOO_LARGE: whoever waited and tried again would do so for ever.
        """
        if not self._rate:
            return
        most = float(self._rate * BURST_SECONDS)
        if count > most:
            raise CreditError(
                Reason.BATCH_TOO_LARGE,
                f"events: got {count}, want at most {int(most)}; {self._rate} events a second are agreed",
                limit=str(int(most)),
            )
        with self._lock:
            left, at = self._buckets.get(agency, (most, now))
            left = min(most, left + max(0.0, (now - at).total_seconds()) * self._rate)
            is_enough = left >= count
            self._buckets[agency] = (left - count if is_enough else left, max(at, now))
        if not is_enough:
            seconds = max(1, round((count - left) / self._rate))
            raise CreditError(
                Reason.QUOTA_EXCEEDED,
                f"events: got {count}, want at most {int(left)} now; {self._rate} events a second are agreed",
                agency=agency, retry_seconds=str(seconds),
            )  # fmt: skip
