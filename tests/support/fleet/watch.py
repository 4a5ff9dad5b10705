"""Promises about time and about the whole fleet. Looked at once a second, whatever is done to the fleet.

Each is a general one, such as "others are served while one user is odd". None knows which fault it may find.
"""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from tests.support.fleet.world import World

#: Trouble that may cost a worker its lease, or keep it from reading a halt; and for how many seconds after it ends.
_CUTS_OFF = frozenset({"cut", "flaky", "away", "hang", "full", "failover", "freeze"})
_AFTERWARDS = 60.0
#: A halt and a pause are read with each heartbeat, which may take a moment; they stop every POST after these seconds.
_HEEDED = 3.0
#: While others wait, a fleet uses its rate in each period of so many seconds, once its workers may have shared it.
_PERIOD, _SHARING = 20, 15.0
#: Seconds after the first good answer, after an outage, in which everybody is served who waited.
_RECOVERED = 15.0
#: What a worker may hold in memory while no list moves: the configured number of events, and the reserve.
_RESERVED, _MOVING = 9 / 8, 30.0
#: A list is free for so many seconds at most if nobody has died: heartbeats, and a look for free lists.
_TAKEN_OVER, _LEASE = 10.0, 45.0
#: Seconds after which no POST starts if a settlement is unanswered; and what an observer may be late.
_STALLED = 1.0 + 0.3


class Watch:
    """Looks at a world, and says which promise is broken now.

    Args:
        patience: seconds within which an event of a user who is not odd is accepted while nothing general is wrong.
        used: which part of its rate the fleet uses while others wait.
    """

    def __init__(self, world: World, *, patience: float, used: float) -> None:
        self._world = world
        self._patience = patience
        self._used = used
        #: What is wrong now with more than a few users, by its name.
        self.active: list[str] = []
        self._latest: dict[str, float] = {}
        self._calm_since = 0.0
        self._told: set[str] = set()
        self._halted_since: float | None = None
        self._busy: list[tuple[float, int]] = []
        self._letters: int | None = None
        self._recovering: dict[int, str] | None = None
        self._answered_at = self._within = 0.0
        self._owned: dict[str, list[int]] = {}
        self._moved = self._died = 0.0
        self._free: dict[int, float] = {}
        self._stalls: dict[str, tuple[float, int]] = {}

    def look(self) -> None:
        world, now = self._world, self._world.now()
        self._latest |= dict.fromkeys(self.active, now)
        if self.active or world.is_halted:
            self._calm_since = now
        self._halts_are_heeded()
        self._others_are_served()
        self._rate()
        self._rate_is_used()
        self._letters_are_few()
        self._everybody_recovers()
        self._lists_are_taken_over()
        self._memory()
        self._stalled_workers_wait()

    def _once(self, kind: str, detail: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._world.violated(f"{kind}: {detail}")

    def _was(self, *names: str, within: float = _AFTERWARDS) -> bool:
        """Whether one of these was wrong lately."""
        return any(self._world.now() - self._latest.get(name, -math.inf) <= within for name in names)

    def _halts_are_heeded(self) -> None:
        world, now = self._world, self._world.now()
        if not world.is_halted:
            self._halted_since = None
            return
        self._halted_since = now if self._halted_since is None else self._halted_since
        latest = max(world.outside.latest.values(), default=0.0)
        if latest > self._halted_since + _HEEDED and not self._was(*_CUTS_OFF):
            self._once("a halt is not heeded", f"a POST starts {latest - self._halted_since:.1f} s after it is written")

    def _others(self) -> Iterator[tuple[str, float]]:
        """The events of users who are not odd and wait, oldest first: whose, and since when."""
        return ((user, since) for user, since in self._world.outside.open.values() if not user.startswith("odd"))

    def _others_are_served(self) -> None:
        now = self._world.now()
        user, since = next(self._others(), ("", now))
        if now - max(since, self._calm_since) > self._patience:
            self._once("others are not served", f"{user} waits for {now - since:.0f} s, and nothing general is wrong")

    def _rate(self) -> None:
        world = self._world
        limit = float(world.size.settings.get("rate_limit", 0))  # type: ignore[arg-type]
        most = limit + world.most_workers
        if limit and world.outside.worst > most:
            self._once("too many POSTs in a second", f"{world.outside.worst}, of at most {most:g}")

    def _rate_is_used(self) -> None:
        world, now = self._world, self._world.now()
        limit = float(world.size.settings.get("rate_limit", 0))  # type: ignore[arg-type]
        enough = math.ceil(2 * limit)
        others = {user for user, _ in islice(self._others(), 5 * enough)}
        if not limit or len(others) < enough or now - max(self._calm_since, self._moved) < _SHARING:
            self._busy.clear()
            return
        self._busy.append((now, world.outside.to_others))
        (since, before), (_, after) = self._busy[0], self._busy[-1]
        if now - since >= _PERIOD:
            del self._busy[0]
            used = (after - before) / (now - since) / limit
            if used < self._used:
                self._once("the rate is not used", f"{used:.0%} of it in {_PERIOD} s, and {len(others)} users wait")

    def _letters_are_few(self) -> None:
        world = self._world
        count = world.letters
        if not world.broken:
            self._letters = count
            return
        allowed = any(world.look("EXISTS", f"{{{name}}}:allowance") for name in world.lists)
        brake = world.settings("nobody").dead_letter_brake
        most = 1.1 * brake + len(world.members)
        self._letters = count if self._letters is None else self._letters
        if count - self._letters > most and not allowed:
            self._once(
                "too many dead letters", f"{count - self._letters} since everything is refused, of at most {most:.0f}"
            )

    def _everybody_recovers(self) -> None:
        world, now = self._world, self._world.now()
        if self.active:
            self._recovering = None
            if self.active == ["outage"]:
                posts = Counter(user for user, _ in world.outside.open.values())
                limit = float(world.size.settings.get("rate_limit", 120))  # type: ignore[arg-type]
                self._within = _RECOVERED + 2 * sum(-(-count // 50) for count in posts.values()) / limit
                self._recovering = {number: user for number, (user, _) in world.outside.open.items()}
                self._answered_at = math.inf
            return
        if not self._recovering:
            return
        left = {number: user for number, user in self._recovering.items() if number in world.outside.open}
        if len(left) < len(self._recovering):
            self._answered_at = min(self._answered_at, now)
        if left and now - self._answered_at > self._within:
            self._once(
                "users are silent after an outage", f"{len(set(left.values()))} of them, {self._within:.0f} s after it"
            )
        if not left:
            self._recovering = None

    def _lists_are_taken_over(self) -> None:
        world, now = self._world, self._world.now()
        owned = {name: member.owned for name, member in world.members.items()}
        for name in self._owned.keys() - owned.keys():
            if name not in world.stopped or self._was(*_CUTS_OFF, within=5.0):
                self._died = now
        if owned != self._owned:
            self._moved, self._owned = now, owned
        most = _LEASE if now - self._died <= _LEASE else _TAKEN_OVER
        if self._was(*_CUTS_OFF, within=0.0) or world.is_halted or not world.members:
            self._free.clear()
            return
        for shard in range(world.size.lists):
            if any(shard in lists for lists in owned.values()):
                self._free.pop(shard, None)
            elif now - self._free.setdefault(shard, now) > most:
                self._once("a list has no owner", f"list {shard} for {most:.0f} s")

    def _memory(self) -> None:
        world = self._world
        if world.now() - self._moved < _MOVING:
            return
        for member in world.members.values():
            if member.owned:
                held = sum(each.buffered for each in member.condition.owned.values())
                most = math.ceil(member.process.settings.max_buffered_events * _RESERVED)
                if held > most:
                    self._once("too much is in memory", f"{member.name} holds {held} events, of at most {most}")

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
                self._once("POSTs that cannot be settled", f"{name} starts one {latest - first:.1f} s after another")
