"""Repeats Redis commands until Redis is available, and knows whether it is."""

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import structlog

from forwarder.errors import UnreachableError
from forwarder.metrics import Metrics
from forwarder.retry import until_reachable

T = TypeVar("T")

log = structlog.get_logger()

#: The longest pause before a changed cause is logged, in seconds. The second line of an outage may follow at once, as a
#: connection that is cut and then refused is every restart of Redis. Then the pause doubles from 1 s on. Example:
#: causes that alternate each second make about nine lines in the first two minutes, and twelve in each later hour.
_LONGEST = 300.0


class Problem(NamedTuple):
    """Why Redis is unavailable, and what to do about it."""

    error: str
    remedy: str


class Availability:
    """Whether Redis is available for one list. In a cluster it may be available for some lists and not for others.

    Counts failures. Logs a problem when it begins, when its cause changes, and when it is over.
    """

    def __init__(self, metrics: Metrics, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._name = name
        self._clock = clock
        self._logged: Problem | None = None
        self._pause = 0.0
        self._due = float("-inf")
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
        if self.problem != self._logged and self._clock() >= self._due:
            self._log(self.problem)

    def _log(self, problem: Problem) -> None:
        self._logged = problem
        self._due = self._clock() + self._pause
        self._pause = min(_LONGEST, max(1.0, 2 * self._pause))
        # A worker may have a hundred lists.
        log.warning(
            "Redis is unavailable; retrying. Nothing is lost.",
            list=self._name,
            **problem._asdict(),
            repeats=problem.error,
        )

    def served(self) -> None:
        """A command was answered."""
        if self.problem is not None:
            self.forget()
            log.info("Redis is available again", list=self._name)

    def forget(self) -> None:
        """This process no longer uses the list, so the problem no longer counts."""
        self.problem = self._logged = None
        self._pause, self._due = 0.0, float("-inf")


class Availabilities:
    """One :class:`Availability` for each list that a process uses."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._by_list: dict[str, Availability] = {}

    def of(self, name: str) -> Availability:
        """Always the same object for the same list."""
        if name not in self._by_list:
            self._by_list[name] = Availability(self._metrics, name)
        return self._by_list[name]

    @property
    def problem(self) -> Problem | None:
        """Why Redis is unavailable for one of the lists; None if it is available for all of them."""
        return next((each.problem for each in self._by_list.values() if each.problem is not None), None)
