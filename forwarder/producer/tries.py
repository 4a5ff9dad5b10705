"""The tries of one round trip: what to send again, and what is known of it in the end. Pure."""

import random
from collections.abc import Callable, Sequence

from forwarder.producer.fates import Fate, PushEnding, Shortfall
from forwarder.producer.portions import Portion

#: Seconds before the second try, and the longest pause. Each pause is twice the last one, less up to half at random,
#: so that many producers do not come back at the same moment. A cut connection costs about 15 ms; a Redis that is away
#: for 3 s is tried about 12 times, and found again within half a second.
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5

_UNSETTLED = {PushEnding.LOST, PushEnding.UNAVAILABLE}
#: The command was not sent, or it was not executed and may be sent without the script.
_UNSENT = {None, PushEnding.DENIED, PushEnding.UNKNOWN_SCRIPT, PushEnding.UNAVAILABLE}
#: These say all there is to say, whatever becomes of a command that is still under way.
_FINAL = {PushEnding.DONE, PushEnding.KEY_REUSED}


class Patience:
    """How long a round trip is tried again: for some seconds from the first failure."""

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float],
        chance: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._chance = chance
        self._until: float | None = None
        self._pause = _FIRST_PAUSE

    def pause(self) -> float | None:
        """Seconds until the next try; None if the time is up."""
        now = self._clock()
        if self._until is None:
            self._until = now + self._seconds
        if now >= self._until:
            return None
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        return self._chance(pause / 2, pause)

    @property
    def over(self) -> bool:
        """Whether a try that was to start by now is so late, perhaps for want of a connection, that it must not."""
        return self._until is not None and self._clock() > self._until + 2 * _LONGEST_PAUSE


class Tries:
    """The commands of one round trip, over all of its tries.

    Args:
        portions: one for each command.
        durable: whether a push counts only once it is durable. Then each try sends every command, because the wait for
            replicas or for the append-only file holds for the commands before it on the same connection.
    """

    def __init__(self, portions: Sequence[Portion], *, durable: bool) -> None:
        self._portions = portions
        self._durable = durable
        self._fates: dict[int, Fate] = {}
        #: Lists of which a try may still be under way: its reply was lost.
        self._lost: set[int] = set()
        self._shortfall: Shortfall | None = None

    def open(self, *, plain: bool) -> list[Portion]:
        """What the next try sends. Without the script (`plain`), only what is certainly not in the list."""
        if plain:
            return [each for each in self._portions if self._ending(each) in _UNSENT and each.shard not in self._lost]
        return [each for each in self._portions if self._durable or self._ending(each) is not PushEnding.DONE]

    def record(self, portions: Sequence[Portion], fates: Sequence[Fate], shortfall: Shortfall | None) -> None:
        """Takes the results of a try."""
        # A wait for replicas that did not cover what an earlier try has pushed says nothing about that.
        if all(fate.pushed or not self._pushed(portion) for portion, fate in zip(portions, fates, strict=True)):
            self._shortfall = shortfall
        for portion, fate in zip(portions, fates, strict=True):
            if fate.ending is PushEnding.LOST:
                self._lost.add(portion.shard)
            self._learn(portion, fate)

    def refuse(self, fate: Fate) -> None:
        """Records why a try sent nothing."""
        for portion in self._portions:
            self._learn(portion, fate)

    def _learn(self, portion: Portion, fate: Fate) -> None:
        """Takes the latest fate. What an earlier try has pushed stays pushed."""
        if self._ending(portion) is not PushEnding.DONE:
            self._fates[portion.shard] = fate._replace(pushed=max(fate.pushed, self._pushed(portion)))

    def _pushed(self, portion: Portion) -> int:
        fate = self._fates.get(portion.shard)
        return fate.pushed if fate else 0

    def explain(self, ending: PushEnding, why: str) -> None:
        """Says why commands have ended like this."""
        self._fates = {
            shard: fate._replace(why=why) if fate.ending is ending else fate for shard, fate in self._fates.items()
        }

    def ended(self, ending: PushEnding) -> str | None:
        """Why a command has ended like this; None if none has."""
        return next((fate.why for fate in self._fates.values() if fate.ending is ending), None)

    @property
    def began(self) -> bool:
        """Whether anything was pushed, or may have been."""
        return bool(self._lost) or any(fate.pushed for fate in self._fates.values())

    @property
    def unsettled(self) -> bool:
        """Whether another try may help."""
        return any(fate.ending in _UNSETTLED for fate in self._fates.values()) or (
            self._shortfall is not None and self._shortfall.passing
        )

    def results(self) -> tuple[list[Fate], str | None]:
        """What is known of each command, and why the events that were pushed may not be durable."""
        fates = [self._known(portion) for portion in self._portions]
        return fates, self._shortfall and self._shortfall.why

    def _known(self, portion: Portion) -> Fate:
        fate = self._fates[portion.shard]
        if portion.shard in self._lost and fate.ending not in _FINAL:
            return fate._replace(ending=PushEnding.LOST)
        return fate

    def _ending(self, portion: Portion) -> PushEnding | None:
        fate = self._fates.get(portion.shard)
        return fate and fate.ending
