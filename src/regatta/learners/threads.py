"""Exact numbers of native threads."""

import os
from typing import Any

__all__ = ["available_cores", "limit_blas"]


def limit_blas(threads: int) -> Any:
    """Return a context in which NumPy's linear algebra uses so many threads."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(threads, user_api="blas")


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
