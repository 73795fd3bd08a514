"""What a long-running process keeps of its memory out of the collector's way."""

import gc

# Young objects between two collections: batches make thousands that all end together.
YOUNG_OBJECTS = 100_000


def spare_collections() -> None:
    """Leaves what stands now out of garbage collection, and collects the young less often."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
