"""What is judged in scenes besides: promises about time, which need to know what is wrong and what is not.

Each is a general one, such as "a fleet uses its rate while others wait". None knows which fault it may find.
"""

import math
from collections import Counter
from itertools import islice

from tests.support.fleet.causes import AFTERWARDS, CUTS_OFF
from tests.support.fleet.observer import Bounds, Observer
from tests.support.fleet.world import World

#: A halt and a pause are read with each heartbeat, which may take a moment; they stop every POST after these seconds.
_HEEDED = 3.0
#: While others wait, a fleet uses its rate in each of these periods (seconds), once its workers may have shared it.
_PERIOD, _SHARING = 20, 15.0
#: Seconds after the first good answer, after an outage, in which everybody is served who waited.
_RECOVERED = 15.0
#: Seconds after which no POST starts if a settlement is unanswered; and what an observer may be late.
_STALLED = 1.0 + 0.3


def bounds(*, patience: float, used: float) -> Bounds:
    """Those of a scene: a list is free while heartbeats pass and a worker looks for free lists."""
    return Bounds(patience, free=10.0, moving=30.0, used=used, unowned=CUTS_OFF)


class SceneObserver(Observer):
    """Judges a scene once a second."""

    def __init__(self, world: World, bounds: Bounds) -> None:
        super().__init__(world, bounds)
        self._latest: dict[str, float] = {}
        self._halted_since: float | None = None
        self._busy: list[tuple[float, int]] = []
        self._recovering: dict[int, str] | None = None
        self._answered_at = self._within = 0.0
        self._stalls: dict[str, tuple[float, int]] = {}

    def look(self) -> None:
        self._latest |= dict.fromkeys(self.active, self._world.now())
        super().look()
        self._halts_are_heeded()
        self._rate_is_used()
        self._everybody_recovers()
        self._stalled_workers_wait()

    def has_died(self, name: str) -> bool:
        """One that is stopped while it is cut off cannot release its lists either."""
        return super().has_died(name) or self._was_cut_off(within=5.0)

    def _was_cut_off(self, *, within: float) -> bool:
        """Whether workers were kept from Redis lately."""
        return any(self._world.now() - self._latest.get(name, -math.inf) <= within for name in CUTS_OFF)

    def _halts_are_heeded(self) -> None:
        world, now = self._world, self._world.now()
        if not world.is_halted:
            self._halted_since = None
            return
        self._halted_since = now if self._halted_since is None else self._halted_since
        latest = max(world.outside.latest.values(), default=0.0)
        if latest > self._halted_since + _HEEDED and not self._was_cut_off(within=AFTERWARDS):
            self.once("a halt is not heeded", f"a POST starts {latest - self._halted_since:.1f} s after it is written")

    def _rate_is_used(self) -> None:
        world, now, limit = self._world, self._world.now(), self.limit
        enough = math.ceil(2 * limit)
        others = {user for user, _ in islice(world.outside.open.values(), 5 * enough)}
        if not limit or len(others) < enough or now - max(self._calm_since, self._moved) < _SHARING:
            self._busy.clear()
            return
        self._busy.append((now, world.outside.to_others))
        (since, before), (_, after) = self._busy[0], self._busy[-1]
        if now - since >= _PERIOD:
            del self._busy[0]
            used = (after - before) / (now - since) / limit
            if used < self._bounds.used:
                self.once("the rate is not used", f"{used:.0%} of it in {_PERIOD} s, and {len(others)} users wait")

    def _everybody_recovers(self) -> None:
        """Once the API answers again, after it answered nobody."""
        now, waiting = self._world.now(), self._world.outside.open
        if self.active:
            self._recovering = None
            if self.active == ["outage"]:
                posts = Counter(user for user, _ in waiting.values())
                self._within = _RECOVERED + 2 * sum(-(-count // 50) for count in posts.values()) / self.limit
                self._recovering = {number: user for number, (user, _) in waiting.items()}
                self._answered_at = math.inf
            return
        if not self._recovering:
            return
        left = {number: user for number, user in self._recovering.items() if number in waiting}
        if len(left) < len(self._recovering):
            self._answered_at = min(self._answered_at, now)
        if left and now - self._answered_at > self._within:
            users = len(set(left.values()))
            self.once("users are silent after an outage", f"{users} of them, {self._within:.0f} s after it")
        if not left:
            self._recovering = None

    def _stalled_workers_wait(self) -> None:
        """If Redis answers nothing, what is accepted cannot be settled. So soon no POST starts."""
        world, now = self._world, self._world.now()
        for name in world.members:
            if not (world.network.line(name).cut or world.network.hangs_until > now):
                self._stalls.pop(name, None)
                continue
            since, index = self._stalls.setdefault(name, (now, len(world.outside.accepted)))
            posts = zip(world.outside.accepted[index:], world.outside.senders[index:], strict=True)
            first = next((post.at for post, sender in posts if sender == name and post.answered and post.at > since), 0)
            latest = world.outside.latest.get(name, 0.0)
            if first and latest > first + _STALLED:
                self.once("POSTs that cannot be settled", f"{name} starts one {latest - first:.1f} s after another")
