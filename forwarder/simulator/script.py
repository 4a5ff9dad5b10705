"""Plays faults: the part of the stand-in with a memory, random numbers and a clock."""

import enum
import random
from collections.abc import Callable, Iterable

import msgspec

from forwarder.simulator.faults import Answer, Faults, OutageMode, Refusal

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNAVAILABLE = Answer(status=503)
_REFUSED = Answer(status=400)


class Cut(enum.Enum):
    """Ways in which a request ends without an answer."""

    HANG = "hang"
    RESET = "reset"


class Script:
    """Plays :class:`Faults`. The same seed and the same calls always give the same result."""

    def __init__(self, faults: Faults, *, seed: int, clock: Callable[[], float]) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - repeatable on purpose, guards nothing
        self._clock = clock
        self._started = clock()
        self.load(faults)

    @property
    def faults(self) -> Faults:
        """The faults that are being played."""
        return self._faults

    def load(self, faults: Faults) -> None:
        """Replaces the faults. What was counted for the old ones (times, rate) is forgotten."""
        self._faults = faults
        self._times_left = {user: answer.times for user, answer in faults.users.items()}
        self._second = float("-inf")
        self._in_second = 0

    def restart(self) -> None:
        """Counts the seconds of an outage from now on."""
        self._started = self._clock()

    def refuses_connections(self) -> bool:
        """Whether every connection must be reset now."""
        return self._outage() == "refuse"

    def delay(self) -> float:
        """Seconds to wait before the next answer."""
        faults = self._faults
        if not faults.latency_jitter:
            return faults.latency
        return faults.latency + self._chance.uniform(0, faults.latency_jitter)

    def for_everybody(self) -> Answer | Cut | None:
        """What happens to any request, whatever it asks; None if nothing special."""
        match self._outage():
            case "503":
                return _UNAVAILABLE
            case "hang":
                return Cut.HANG
            case _:
                return self._faults.status_all or self._lost()

    def before_accepting(self, user: str, events: Iterable[msgspec.Raw]) -> Answer | None:
        """The answer to a well-formed POST that is not accepted; None if it is accepted."""
        return self._too_fast() or self._for_user(user) or self._by_chance() or self._refused(events)

    def resets_after_accepting(self) -> bool:
        """Whether the answer to an accepted POST is lost."""
        return self._happens(self._faults.reset_after_rate)

    def _happens(self, rate: float) -> bool:
        return rate > 0 and self._chance.random() < rate

    def _outage(self) -> OutageMode | None:
        outage = self._faults.outage
        if outage is None:
            return None
        since = self._clock() - self._started - outage.after
        return outage.mode if 0 <= since < outage.for_ else None

    def _lost(self) -> Cut | None:
        if self._happens(self._faults.hang_rate):
            return Cut.HANG
        return Cut.RESET if self._happens(self._faults.reset_before_rate) else None

    def _too_fast(self) -> Answer | None:
        if self._faults.max_rate is None:
            return None
        second = self._clock() // 1
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second <= self._faults.max_rate:
            return None
        return Answer(status=429, retry_after=self._faults.rate_retry_after)

    def _for_user(self, user: str) -> Answer | None:
        answer = self._faults.users.get(user)
        if answer is None:
            return None
        left = self._times_left[user]
        if left is not None:
            self._times_left[user] = max(left - 1, 0)
        return None if left == 0 else answer

    def _by_chance(self) -> Answer | None:
        if not self._faults.statuses:
            return None
        # One random number for all: with one for each, every later rate would be a share of what is left.
        drawn = self._chance.random()
        for answer in self._faults.statuses:
            if drawn < answer.rate:
                return answer
            drawn -= answer.rate
        return None

    def _refused(self, events: Iterable[msgspec.Raw]) -> Answer | None:
        rules = self._faults.refuse
        if rules and any(_dislikes(rules, _MEMBERS.decode(event)) for event in events):
            return _REFUSED
        return None


def _dislikes(rules: Iterable[Refusal], event: dict[str, msgspec.Raw]) -> bool:
    name = msgspec.json.decode(event["name"])
    return any(rule.name == name or rule.member in event for rule in rules)
