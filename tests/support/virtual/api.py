"""The API at the border of the process: a function answers, in virtual time."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from forwarder.api.answer import Answer, Declined, Meaning, Registered, Unanswered
from forwarder.api.client import Api
from tests.support.promises import Post

ACCEPTED = Registered(202)
UNAVAILABLE = Declined(503, Meaning.TRANSIENT)
MALFORMED = Declined(400, Meaning.MALFORMED)
TOO_LARGE = Declined(413, Meaning.TOO_LARGE)
REFUSED = Unanswered("refused", ambiguous=False)
#: The API accepts, but its answer is lost.
SWALLOWED = Unanswered("reset", ambiguous=True)

#: Seconds that a POST takes.
LATENCY = 0.1


@dataclass(frozen=True)
class Attempt:
    """A POST that the scripted API sees: its user, the members ``n`` of its events, and when it began."""

    user: str
    numbers: tuple[int, ...]
    at: float


@dataclass(frozen=True)
class Reply:
    """What becomes of an attempt: the answer, after how long, and whether its events are registered."""

    answer: Answer
    seconds: float = LATENCY
    #: The API accepts, whatever the process learns of it.
    swallowed: bool = False

    @property
    def registers(self) -> bool:
        return self.swallowed or self.answer is SWALLOWED or isinstance(self.answer, Registered)


Script = Callable[[Attempt], Answer | Reply]


class ScriptedApi(Api):
    """Answers what a function returns, in virtual time, and keeps a ledger of what was accepted.

    Args:
        script: what it answers.
        accepted: the ledger. Many processes may share one.
    """

    def __init__(self, script: Script, accepted: list[Post] | None = None) -> None:
        self.script = script
        self.attempts: list[Attempt] = []
        self.accepted: list[Post] = [] if accepted is None else accepted
        self._in_flight: set[str] = set()

    @property
    def fingerprint(self) -> str:
        return "scripted"

    async def post(self, user: str, bodies: Iterable[bytes]) -> Answer:
        """As :meth:`Api.post`. Fails the test if this user already has a POST in flight."""
        loop = asyncio.get_running_loop()
        attempt = Attempt(user, tuple(json.loads(body)["n"] for body in bodies), loop.time())
        assert user not in self._in_flight, f"two POSTs of {user} at once"
        self.attempts.append(attempt)
        given = self.script(attempt)
        reply = given if isinstance(given, Reply) else Reply(given)
        mine = len(self.accepted)
        if reply.registers:
            self.accepted.append(Post(user, attempt.numbers, attempt.at, answered=False))
        self._in_flight.add(user)
        try:
            await asyncio.sleep(reply.seconds)
        finally:
            self._in_flight.discard(user)
        if isinstance(reply.answer, Registered):
            self.accepted[mine] = replace(self.accepted[mine], at=loop.time(), answered=True)
        return reply.answer
