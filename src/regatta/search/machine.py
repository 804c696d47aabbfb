"""What this machine or pod has to give: cores, free memory, and whether lanes share it."""

import os

from regatta.processes.container import cores, memory_left

__all__ = ["cores", "free_memory", "in_pod", "lanes_here", "memory_share", "slots"]

MEMORY_SHARE = 0.8
LEAST_TRIAL_BYTES = 512 * 2**20
"""Libraries alone take 220 MiB of it: with less, more trials are ended than not."""
POD_SLOTS = 2
"""Trials side by side in a pod; `regatta.search.pod_memory` chooses its memory for so many."""


def in_pod() -> bool:
    """Return whether this process runs in a Kubernetes pod, where a lane has a pod of its own."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def lanes_here(lanes: int) -> int:
    """Return how many of a run's lanes share this machine: all of them, but one in a pod.

    Parameters
    ----------
    lanes : int
        Lanes of the run.
    """
    return 1 if in_pod() else max(1, lanes)


def free_memory() -> int:
    """Return the memory that is free on this machine or in this container, in bytes."""
    import psutil

    free, left = int(psutil.virtual_memory().available), memory_left()
    return free if left is None else min(free, left)


def slots(lanes: int) -> int:
    """Return how many trials a lane may run side by side: one a core, if memory goes round.

    A pod without a limit of processors sees every core of its node, and has the memory of a pod:
    in one there are two at most, unless the user says how many cores a lane has.

    Parameters
    ----------
    lanes : int
        Lanes that share this machine.
    """
    most = min(cores() // lanes, memory_share(lanes) // LEAST_TRIAL_BYTES)
    return max(1, min(most, POD_SLOTS) if in_pod() else most)


def memory_share(at_once: int) -> int:
    """Return the memory that each of some trials side by side may use, in bytes.

    Parameters
    ----------
    at_once : int
        Trials at work on this machine.
    """
    return int(MEMORY_SHARE * free_memory() / at_once)
