"""The API as a simulated fleet meets it: what it answers to everybody, to some users, and to bad events, and when."""

import asyncio
import random
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial

from forwarder.api.answer import Answer, Declined, Meaning, Unanswered
from forwarder.api.credentials import Credentials
from tests.support.fleet.trace import Trace
from tests.support.promises import Post
from tests.support.virtual.actors import WORLD
from tests.support.virtual.api import ACCEPTED, MALFORMED, Attempt, Reply, ScriptedApi

#: Seconds that a POST may take, as set in the service.
TIMEOUT = 10.0
_NO_ANSWER = Reply(Unanswered("timeout", ambiguous=True), TIMEOUT)
#: What the API, or what is in front of it, answers instead of accepting. Each is followed by a retry.
ANSWERS: dict[str, Answer | Reply] = {
    "503": Declined(503, Meaning.TRANSIENT),
    "500 later": Reply(Declined(500, Meaning.TRANSIENT), 5.0),
    "429": Declined(429, Meaning.TRANSIENT),
    "429, wait": Declined(429, Meaning.TRANSIENT, retry_after=20.0),
    "refused": Unanswered("refused", ambiguous=False),
    "timeout": _NO_ANSWER,
    "accepted, timeout": Reply(Unanswered("timeout", ambiguous=True), TIMEOUT, swallowed=True),
    "accepted, reset": Reply(Unanswered("reset", ambiguous=True), swallowed=True),
    "slow": Reply(ACCEPTED, 8.0),
}
#: The same for one user or two. None of it may harm the others.
ODD: dict[str, Answer | Reply] = {
    **ANSWERS,
    "429, wait long": Declined(429, Meaning.TRANSIENT, retry_after=600.0),
    "503, wait long": Declined(503, Meaning.TRANSIENT, retry_after=600.0),
    "403": Declined(403, Meaning.SUSPECT),
    "302": Declined(302, Meaning.SUSPECT),
    "200": Declined(200, Meaning.SUSPECT),
    "unreadable": Unanswered("unreadable", ambiguous=True),
}


@dataclass(frozen=True)
class Trouble:
    """Until then, this part of the POSTs of these users (None: of all) gets this answer."""

    name: str
    answer: Answer | Reply
    until: float
    part: float = 1.0
    users: Collection[str] | None = None


@dataclass
class Outside:
    """One API for all processes."""

    dice: random.Random
    clock: Callable[[], float]
    trace: Trace
    #: What is registered, in its order; and by which process each of it was sent.
    accepted: list[Post] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    #: Events that the API should take and has not taken yet, oldest first: whose, and since when. Without odd users.
    open: dict[int, tuple[str, float]] = field(default_factory=dict)
    #: The events that the API never takes, and the users that it does not know, or who were erased.
    malformed: set[int] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    troubles: list[Trouble] = field(default_factory=list)
    #: The key that it takes.
    key: str = "the-first-key"
    latency: tuple[float, float] = (0.05, 0.2)
    #: When POSTs were begun, within the last second, and the most that there ever were.
    starts: deque[float] = field(default_factory=deque)
    worst: int = 0
    posts: int = 0
    #: POSTs for users who are not odd; and when each process began its latest POST.
    to_others: int = 0
    latest: dict[str, float] = field(default_factory=dict)
    #: POSTs in flight by user, as the API sees them: from when they arrive until they are answered.
    in_flight: dict[str, int] = field(default_factory=dict)
    #: Users with two POSTs in flight at once, and when.
    at_once: list[tuple[str, float]] = field(default_factory=list)

    def answer(self, way: "Way", attempt: Attempt) -> Reply:
        """What one POST gets."""
        reply = self._answer(attempt, way.credentials)
        self.trace.add(way.name, ("POST", attempt.user, attempt.numbers, reply.answer, reply.seconds))
        self._count(attempt.at)
        self.to_others += not attempt.user.startswith("odd")
        self.latest[way.name] = attempt.at
        if reply.registers:
            self.senders.append(way.name)
            for number in attempt.numbers:
                self.open.pop(number, None)
        if self.in_flight.get(attempt.user):
            self.at_once.append((attempt.user, attempt.at))
        self.in_flight[attempt.user] = self.in_flight.get(attempt.user, 0) + 1
        asyncio.get_running_loop().call_later(reply.seconds, self._answered, attempt.user, context=WORLD)
        return reply

    def _answered(self, user: str) -> None:
        self.in_flight[user] -= 1
        if not self.in_flight[user]:
            del self.in_flight[user]

    def _count(self, now: float) -> None:
        self.posts += 1
        self.starts.append(now)
        while now - self.starts[0] >= 1.0 - 1e-9:
            self.starts.popleft()
        self.worst = max(self.worst, len(self.starts))

    def _answer(self, attempt: Attempt, credentials: Credentials) -> Reply:
        seconds = self.dice.uniform(*self.latency)
        if b64decode(credentials.authorization.removeprefix("Basic ")).decode() != f":{self.key}":
            return Reply(Declined(401, Meaning.UNAUTHORIZED, fingerprint=credentials.fingerprint), seconds)
        if attempt.user in self.erased:
            return Reply(Declined(451, Meaning.ERASED), seconds)
        if attempt.user in self.unknown:
            return Reply(Declined(404, Meaning.NO_SUCH_ADDRESS), seconds)
        refused = not self.malformed.isdisjoint(attempt.numbers)
        if found := self._trouble(attempt.user):
            reply = found if isinstance(found, Reply) else Reply(found, seconds)
            if not (refused and reply.registers):
                return reply
        return Reply(MALFORMED if refused else ACCEPTED, seconds)

    def _trouble(self, user: str) -> Answer | Reply | None:
        now = self.clock()
        self.troubles = [each for each in self.troubles if each.until > now]
        for each in self.troubles:
            if (each.users is None or user in each.users) and self.dice.random() < each.part:
                return each.answer
        return None


class Way(ScriptedApi):
    """One process's way to the API."""

    def __init__(self, outside: Outside, name: str, credentials: Credentials) -> None:
        super().__init__(partial(outside.answer, self), outside.accepted)
        self.name = name
        self.credentials = credentials
        self.is_dead = False

    async def post(self, user: str, bodies: Iterable[bytes]) -> Answer:
        if self.is_dead:
            await asyncio.get_running_loop().create_future()
        self.attempts.clear()  # nobody reads them here
        return await super().post(user, bodies)
