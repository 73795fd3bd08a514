"""What was needed once goes back to the system, where the C library can be told so."""

import ctypes
import subprocess
import sys

import pytest

from credit_service import memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
RESIDENT = """
from pathlib import Path
from credit_service import memory

def resident():
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
"""
# A large block comes and goes, then many of a megabyte, and a small one stays behind them.
LATER_BLOCKS = """
{told}
large = bytearray(30_000_000)
del large
before = resident()
many = [bytearray(1_000_000) for _ in range(50)]
pinned = [bytearray(50_000) for _ in range(20)]
del many
print(resident() - before)
"""
SMALL_BLOCKS = """
before = resident()
many = [bytearray(50_000) for _ in range(1000)]
pinned = many.pop()
del many
{told}
print(resident() - before)
"""


def grown(script: str, told: str) -> int:
    """Returns by how many KiB a process of its own has grown in the end."""
    code = RESIDENT + script.format(told=told)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return int(ended.stdout)


needs_gnu = pytest.mark.skipif(memory._gnu_library() is None, reason="another C library")


@needs_gnu
def test_large_blocks_go_back_at_once_whatever_was_met_before() -> None:
    """The library alone takes them for its own after the first that is larger; a system may page them out by itself."""
    assert grown(LATER_BLOCKS, "memory.bound_heaps()") < 10_000


@needs_gnu
def test_what_lies_below_a_used_block_goes_back_when_told() -> None:
    """The library alone gives back no more than the end of its heap; a system may page the rest out by itself."""
    assert grown(SMALL_BLOCKS, "memory.give_back()") < 10_000


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot be told, it is not told."""

    class Other:
        """Stands for a library without these functions, and knows nothing."""

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Other())
    memory._gnu_library.cache_clear()
    assert memory._gnu_library() is None
    memory.bound_heaps()
    memory.give_back()
    memory._gnu_library.cache_clear()
