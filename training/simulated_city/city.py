"""Streams the events of the simulated city, subject by subject or in the order of publication."""

from collections.abc import Iterator
from datetime import date
from operator import itemgetter

from training.simulated_city.accidents import suffer
from training.simulated_city.cases import Case, case_of, planted_below
from training.simulated_city.clerk import Event
from training.simulated_city.conduct import cheat
from training.simulated_city.firm import Life, begin
from training.simulated_city.oversight import oversee
from training.simulated_city.standing import settle
from training.simulated_city.world import world

DEFAULT_SEED = 2026
DEFAULT_SUBJECTS = 300
DEFAULT_UNTIL = date(2026, 10, 31)


def city(subjects: int, seed: int, until: date) -> Iterator[Event]:
    """Yields every event known by the end of `until`, subject by subject.

    A subject's events come in order of publication. Subject i depends on (seed, i, until) alone, so
    a smaller city is a prefix of a larger one, and memory does not grow with the city.
    """
    for index in range(subjects):
        yield from subject_events(index, seed, until)


def in_publish_order(subjects: int, seed: int, until: date) -> Iterator[Event]:
    """Yields the same events day by day, as sources would send them; for small cities.

    Sorts in memory, about 2 kB an event. Events of one day keep the order of `city`.
    """
    yield from sorted(city(subjects, seed, until), key=itemgetter("source_publish_time"))


def subject_events(index: int, seed: int, until: date) -> list[Event]:
    """Returns the events of one subject and its persons, in order of publication."""
    case = case_of(index)
    life = begin(seed, index, until.toordinal(), case.wish if case else None)
    if case is not None:
        case.play(life)
    else:
        _live(life)
    return life.clerk.events()


def planted(subjects: int, seed: int, until: date) -> Iterator[tuple[Life, Case]]:
    """Yields the planted cases of a city of this size with the subject that carries each."""
    for index in planted_below(subjects):
        case = case_of(index)
        if case is not None:
            yield begin(seed, index, until.toordinal(), case.wish), case


def sources() -> list[str]:
    """Returns the ids of the two sources of the city."""
    return [world().work.source, world().fire.source]


def _live(life: Life) -> None:
    settle(life)
    for domain in (life.world.work, life.world.fire):
        oversee(life, domain)
        suffer(life, domain)
    cheat(life)
