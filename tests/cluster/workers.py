"""Waits until all workers of a proxy are right.

Each worker of Envoy has its own state: for example, it gets a new configuration a moment later than another one, and it
leaves a server that has failed out of its lists for some seconds. The kernel chooses the worker of each new connection.
"""

import os
import time
from collections.abc import Callable

from .api import until

# Envoy has as many workers as the machine has CPUs. If so many answers in a row are right, each on a connection of its
# own, all workers have given some: with two workers, one of them gets none in one of 2 billion cases.
IN_A_ROW = 16 * len(os.sched_getaffinity(0))
# The pause between two requests, so that the other processes get CPU time.
PAUSE = 0.02


def all_workers(what: str, is_right: Callable[[], bool], within: float, last: Callable = lambda: "") -> float:
    """Calls `is_right`, which sends a request on a new connection, until it has been true `IN_A_ROW` times in a row.

    Returns the time since which it has been true.
    """
    begins: list[float] = []

    def are_right() -> bool:
        begins.clear()
        while len(begins) < IN_A_ROW:
            begins.append(time.monotonic())
            if not is_right():
                return False
            time.sleep(PAUSE)
        return True

    until(what, are_right, within, last)
    return begins[0]
