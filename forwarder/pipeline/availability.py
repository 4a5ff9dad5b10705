"""Repeating Redis commands until Redis serves, and knowing whether it does."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from forwarder.errors import UnreachableError
from forwarder.metrics import Metrics
from forwarder.retry import until_reachable

T = TypeVar("T")

#: Seconds between two log lines about the same trouble, and about another one.
_REMINDER = 10.0
_NEWS = 1.0

log = structlog.get_logger()


class Availability:
    """One for each list: in a cluster, some may be served while others are not.

    Counts what fails, says it when it changes and every ten seconds, and says when it is over.
    """

    def __init__(self, metrics: Metrics, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._name = name
        self._clock = clock
        self._said = float("-inf")
        self._said_problem: str | None = None
        self._all = {name: self}
        #: Why Redis does not serve now; None when the last command was answered.
        self.problem: str | None = None

    def of_list(self, name: str) -> "Availability":
        """The one for another list of the same process; the same for the same list."""
        if name not in self._all:
            self._all[name] = Availability(self._metrics, name, clock=self._clock)
            self._all[name]._all = self._all  # noqa: SLF001 - its own kind
        return self._all[name]

    @property
    def problem_of_any(self) -> str | None:
        """Why Redis does not serve one of the process' lists."""
        return next((each.problem for each in self._all.values() if each.problem is not None), None)

    async def until(self, command: Callable[[], Awaitable[T]]) -> T:
        """The command's result, however long it takes until Redis serves; other errors are raised at once."""
        result = await until_reachable(command, failed=self.failed)
        self.served()
        return result

    def failed(self, error: UnreachableError) -> None:
        """A command had no useful answer."""
        self._metrics.redis_errors.inc()
        self.problem = str(error)
        if self._clock() - self._said >= (_REMINDER if self.problem == self._said_problem else _NEWS):
            self._said, self._said_problem = self._clock(), self.problem
            log.warning("Redis does not serve: trying on, nothing is lost", list=self._name, error=self.problem)

    def served(self) -> None:
        """A command was answered."""
        if self.problem is not None:
            self.forget()
            log.info("Redis serves again", list=self._name)

    def forget(self) -> None:
        """The list is no longer this process' own: nobody will ask any more."""
        self.problem = None
        self._said = float("-inf")
