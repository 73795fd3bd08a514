"""Counts of calls and how long they took."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from credit_service.exposition import Sample, family

# Upper edges of how long calls take, in seconds.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Meter:
    """Counts the calls of this process; only the thread of the event loop counts and reads."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    # By method: calls per bucket, the last one beyond all edges.
    buckets: dict[str, list[int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def note(self, method: str, code: str, seconds: float | None) -> None:
        """Counts a call that ended; a conversation lasts as long as its caller likes and has no latency."""
        self.calls[method, code] += 1
        if seconds is not None:
            counts = self.buckets.setdefault(method, [0] * (len(BUCKETS) + 1))
            counts[bisect_left(BUCKETS, seconds)] += 1
            self.seconds[method] = self.seconds.get(method, 0.0) + seconds

    def lines(self) -> list[str]:
        """Returns what was counted, as text."""
        calls = [("", {"method": m, "code": c}, n) for (m, c), n in sorted(self.calls.items())]
        taken: list[Sample] = []
        for method, counts in sorted(self.buckets.items()):
            below = 0
            for edge, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                below += count
                taken.append(("_bucket", {"method": method, "le": edge}, below))
            taken += [("_sum", {"method": method}, self.seconds[method]), ("_count", {"method": method}, below)]
        return [
            *family("calls_total", "counter", "Calls that ended, by method and status code.", calls),
            *family("call_seconds", "histogram", "How long calls took, conversations left out.", taken),
        ]
