"""Compilation of inner loops with numba, in one place so that every kernel is built and typed the same way.

`@serial` compiles a function; `@parallel` also spreads its `prange` loops over the threads. Both cache the machine code
on disk. Compiled kernels take plain arrays and numbers, allocate nothing large, and are private to their module.
"""

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

# Idle OpenMP threads otherwise spin, and take the processors from the Fourier transforms between two kernels.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import numba

from qsmkit.errors import ParameterError

P = ParamSpec("P")
R = TypeVar("R")

prange = numba.prange


def thread_count() -> int:
    """Return the number of threads to use: QSMKIT_THREADS if set, else the processors this process may run on.

    Raises
    ------
    ParameterError
        QSMKIT_THREADS is not a whole number from 1 on.
    """
    wanted = os.environ.get("QSMKIT_THREADS", "")
    if wanted and not (wanted.isdigit() and int(wanted) > 0):
        raise ParameterError(f"QSMKIT_THREADS = {wanted!r} is not a number of threads; set 1 or more, or unset it")
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(wanted) if wanted else available


def serial(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` for one thread."""
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


def parallel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` with its `prange` loops spread over all threads."""
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True, parallel=True, error_model="numpy")(function)
    return compiled


numba.set_num_threads(min(thread_count(), numba.get_num_threads()))
