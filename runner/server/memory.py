"""The memory of a server that many use: given back to the system, and searched for garbage when it holds nobody up."""

from __future__ import annotations

import ctypes
import gc

__all__ = ["collect", "return_memory", "spare_collections"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE = 1 << 20  # bytes
NEVER = 1_000_000  # of the young generations, before all of them are looked at
FEW = 300  # connections
DUE = 20  # collections of the young generation since all of them were looked at
OVERDUE = 20_000


def return_memory() -> None:
    """glibc keeps what threads have freed; large pieces are to go back to the system (mallopt(3))."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another library of C
        return
    for option, value in ((M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, LARGE), (M_ARENA_MAX, 2)):
        set_option(option, value)


def spare_collections() -> None:
    """What was imported is no garbage; with 10,000 connections a look at all objects stops all threads for 0.2 s."""
    gc.collect()
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)


def collect(connections: int) -> None:
    """Of all objects, when there are few of them, or when it has to be. To be called now and then."""
    count = gc.get_count()[2]
    if count > OVERDUE or (count > DUE and connections < FEW):
        gc.collect()
