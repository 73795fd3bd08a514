"""By what subjects are grouped to see whom a model serves worse: kind, size, district and industry."""

from collections.abc import Sequence

from training.dataset import History

# Bands of headcount 从业人数: name, and the number that is no longer in it.
SIZES = (("under 10", 10), ("10 to 49", 50), ("50 to 299", 300))
LARGEST, UNKNOWN = "300 and more", "unknown"


def groups_of(held: History, subjects: Sequence[int], day: int) -> dict[str, list[str]]:
    """Returns the group of each subject in every way of grouping, by what its registrations said by a day.

    Size, district and industry are never inputs of a model: they are looked at to see whom it serves worse.
    """
    known = held.facts_known_on(day)
    found: dict[str, list[str]] = {"kind": [], "size": [], "district": [], "industry": []}
    for subject in subjects:
        told = {n: v for f in known[subject] if f.kind == "REG" and f.day <= day for n, v in f.payload.items()}
        found["kind"].append(held.kinds[subject])
        found["size"].append(_size(told.get("headcount")))
        found["district"].append(told.get("supervising_region") or UNKNOWN)
        found["industry"].append(told["industry_code"][0] if told.get("industry_code") else UNKNOWN)
    return found


def _size(headcount: int | None) -> str:
    """Returns the size band of a number of people."""
    if headcount is None:
        return UNKNOWN
    return next((name for name, below in SIZES if headcount < below), LARGEST)
