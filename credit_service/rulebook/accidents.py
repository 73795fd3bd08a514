"""Derives the level of an accident from its counts, by the thresholds of the edition. Pure."""

from credit_service.rulebook.law import Accidents


def accident_level(
    accidents: Accidents,
    deaths: int | None = None,
    serious_injuries: int | None = None,
    direct_loss_fen: int | None = None,
) -> str | None:
    """Returns the worst level that any one count reaches; nothing when no count is known."""
    if deaths is None and serious_injuries is None and direct_loss_fen is None:
        return None
    for least in accidents.levels:
        if (
            (deaths or 0) >= least.deaths
            or (serious_injuries or 0) >= least.serious_injuries
            or (direct_loss_fen or 0) >= least.direct_loss_fen
        ):
            return least.level
    return None


def last_casualty_day(accidents: Accidents, accident_kind: str, day: int) -> int:
    """Returns the last day whose casualties count; day 1 is the day after the accident."""
    return day + accidents.restate_days.get(accident_kind, 0)
