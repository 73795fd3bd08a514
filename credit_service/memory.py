"""What a long-running process keeps of its memory out of the collector's way, and gives back of the rest."""

import ctypes
import gc
from functools import cache
from typing import Any

# Young objects between two collections: batches make thousands that all end together. What does not end by itself,
# such as the statements that are built anew each time, waits for the next one.
YOUNG_OBJECTS = 20_000
# As <malloc.h> of the GNU C library numbers them.
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
# Blocks of this size go back to the system as soon as they are free. Left alone, the library raises the bound to
# the largest block it ever met, and holes of that size stay behind.
LARGE_BLOCK = 128 * 1024
# Threads share so many heaps: with one each, every thread keeps what its largest batch once took.
HEAPS = 2


def spare_collections() -> None:
    """Leaves what stands now out of garbage collection, and collects the young less often."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 100, 20)


def bound_heaps() -> None:
    """Lets memory that was needed once go back to the system, where the library can be told; before threads begin."""
    if library := _gnu_library():
        library.mallopt(_M_ARENA_MAX, HEAPS)
        library.mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)


def give_back() -> None:
    """Gives pages back to the system that hold nothing any more; takes some milliseconds."""
    if library := _gnu_library():
        library.malloc_trim(0)


@cache
def _gnu_library() -> Any:
    """Returns the GNU C library of this process; None where there is another one."""
    try:
        library = ctypes.CDLL(None)
        return library if all(hasattr(library, name) for name in ("gnu_get_libc_version", "malloc_trim")) else None
    except (OSError, TypeError):
        return None
