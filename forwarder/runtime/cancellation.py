"""Whether this task is meant by a CancelledError.

Libraries raise it when nobody has cancelled the task that awaits them. Two examples: tasks that wait for one connection
of redis-py to close share a future, and when one of them is cancelled all of them get a CancelledError; when aiohttp
closes, it cancels the look-up of a name for which several POSTs wait. A task that ends by such an error ends silently,
and what it was doing is forgotten.
"""

import asyncio


def cancellations() -> int:
    """How often this task was cancelled and has not dealt with it (as :func:`asyncio.timeout` does); 0 outside a task.

    Before Python 3.12, ``asyncio.wait_for`` may swallow a cancellation that comes together with its result. The count
    shows it nevertheless (https://github.com/python/cpython/issues/86296).
    """
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def raise_if_cancelled() -> None:
    """Raises :class:`asyncio.CancelledError` if somebody has cancelled this task."""
    if cancellations():
        raise asyncio.CancelledError
