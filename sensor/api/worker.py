"""The one thread in which the socket's slow questions are answered: log, procfs, long documents.

One, because a node under an incident has better things to do with its CPUs. Work comes in small
pieces (a page of the log), so that many clients take turns.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class QueryWorker:
    """Runs functions in its thread, which is made when the first one comes."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="castoff-asked")

    async def run(
        self,
        function: Callable[_Arguments, _Result],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result:
        """Return what the function returns, or raise what it raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Let the thread end after what it does now."""
        self._pool.shutdown(wait=False, cancel_futures=True)
