"""Repeats Redis commands until Redis is available, and knows whether it is."""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import structlog

from forwarder.errors import UnreachableError
from forwarder.metrics import Metrics
from forwarder.retry import until_reachable

T = TypeVar("T")

#: Seconds between two log lines about the same problem.
_REMINDER = 10.0
#: Seconds before another problem gets a log line. Two problems that alternate must not flood the log.
_NEWS = 1.0

log = structlog.get_logger()


class Problem(NamedTuple):
    """Why Redis is unavailable, and what to do about it."""

    text: str
    remedy: str


class Availability:
    """Whether Redis is available for one list. In a cluster it may be available for some lists and not for others.

    Counts failures, logs a problem when it changes and every ten seconds, and logs when it is over.
    """

    def __init__(self, metrics: Metrics, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._name = name
        self._clock = clock
        self._logged = float("-inf")
        self._logged_problem: Problem | None = None
        #: Why Redis is unavailable; None if the latest command was answered.
        self.problem: Problem | None = None

    async def until(self, command: Callable[[], Awaitable[T]]) -> T:
        """Repeats a command until Redis is available, and returns its result. Raises other errors at once."""
        result = await until_reachable(command, failed=self.failed)
        self.served()
        return result

    def failed(self, error: UnreachableError) -> None:
        """A command failed because Redis is unavailable."""
        self._metrics.redis_errors.inc()
        self.problem = Problem(str(error), error.remedy)
        pause = _REMINDER if self.problem == self._logged_problem else _NEWS
        if self._clock() - self._logged >= pause:
            self._logged, self._logged_problem = self._clock(), self.problem
            log.warning("Redis is unavailable; retrying. Nothing is lost.", list=self._name, error=self.problem.text)

    def served(self) -> None:
        """A command was answered."""
        if self.problem is not None:
            self.forget()
            log.info("Redis is available again", list=self._name)

    def forget(self) -> None:
        """This process no longer uses the list, so the problem no longer counts."""
        self.problem = None
        self._logged = float("-inf")


class Availabilities:
    """One :class:`Availability` for each list that a process uses."""

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._by_list: dict[str, Availability] = {}

    def of(self, name: str) -> Availability:
        """Always the same object for the same list."""
        if name not in self._by_list:
            self._by_list[name] = Availability(self._metrics, name, clock=self._clock)
        return self._by_list[name]

    @property
    def problem(self) -> Problem | None:
        """Why Redis is unavailable for one of the lists; None if it is available for all of them."""
        return next((each.problem for each in self._by_list.values() if each.problem is not None), None)
