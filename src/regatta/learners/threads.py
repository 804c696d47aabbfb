"""Exact numbers of native threads."""

import os
from typing import Any

from regatta.processes.container import cores

__all__ = ["available_cores", "limit_blas"]


def limit_blas(threads: int) -> Any:
    """Return a context in which NumPy's linear algebra uses so many threads."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(threads, user_api="blas")


def available_cores() -> int:
    """Return the threads that a model may use: the cores of this process or container.

    ``OMP_NUM_THREADS`` sets fewer: more threads than a pod's limit slow each other down.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores(), max(int(wanted), 1)) if wanted.isdigit() else cores()
