"""An event loop whose time passes only while everybody waits: an hour takes only as long as the work in it."""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 0.0 s. Nothing from outside reaches it: neither sockets nor other threads."""

    def __init__(self) -> None:
        self._turning = _Turning()
        super().__init__(self._turning)

    def time(self) -> float:
        """Seconds that have passed so far."""
        return self._turning.microseconds / 1e6


class _Turning(selectors.BaseSelector):
    """Turns the clock to the next timer, instead of sleeping until it is due or a file is ready."""

    def __init__(self) -> None:
        self.microseconds = 0
        self._registered: dict[Any, selectors.SelectorKey] = {}

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits, and for nothing that time brings"
        # At least one: otherwise a timer that is due in less than a microsecond would wait for ever.
        self.microseconds += max(round(timeout * 1e6), timeout > 0)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._registered[fileobj] = selectors.SelectorKey(fileobj, fileobj, events, data)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._registered.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._registered
