"""No log lines, or where they go instead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog


@contextmanager
def quiet(note: Callable[[dict[str, Any]], None] = lambda _: None) -> Iterator[None]:
    """Nothing is logged. `note` is called with the members of each line."""

    def drop(_logger: object, _method: str, members: Any) -> Any:
        note(members)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[drop])
    try:
        yield
    finally:
        structlog.configure(**before)
