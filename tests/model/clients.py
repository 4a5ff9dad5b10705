"""The clients of one schedule: the real classes, which send what the service would send."""

from collections.abc import Coroutine, Mapping
from typing import Any, cast

from redis.asyncio import Redis

from forwarder.queue.claims import Claims, NewLetter, Settlement
from forwarder.queue.lease import Lease
from forwarder.queue.letters import ListLetters
from tests.model.lists import AGED, Lists
from tests.model.names import Names, element, event_of
from tests.model.trace import LATE, Field, Step, Values
from tests.model.wire import Wire

_TTL = 2 * AGED / 1000
_BYTES = 1_000_000
#: More than any list of a schedule holds.
_ALL = 10_000
#: No letter has this ID.
_NO_ID = "0-1"
#: A call of a real class, which sends one command or several.
Call = Coroutine[Any, Any, Any]


class AnotherClientError(Exception):
    """The real client would not send what the model's client sends."""


class Clients:
    """One lease and one :class:`Claims` for each token.

    A model may use a token again when nothing refers to it any more. The real token then is the same as well: Redis
    only compares it, and it is nowhere.
    A call of a late copy runs on objects of its own, which send what the line says.
    """

    def __init__(self, wire: Wire, lists: Lists, names: Names) -> None:
        self._redis = cast("Redis", wire)
        self._lists = lists
        self._names = names
        self._leases: dict[int, Lease] = {}
        self._claims: dict[int, Claims] = {}
        self._tokens: dict[str, int] = {}

    def call(self, step: Step, letter_ids: Mapping[int, str]) -> Call:
        """The call that sends a step's command.

        Raises:
            AnotherClientError: it would send something else.
            LookupError: the step names a token or a stamp that no reply has brought.
        """
        match step.command:
            case "acquire":
                return self._acquire(step)
            case "renew":
                return self._lease(step).renew()
            case "release":
                return self._lease(step).release()
            case "claim":
                return self._claim(step)
            case "settle":
                return self._settle(step)
        event = int(cast("int", step.arguments["event"]))
        letters, letter_id = ListLetters(self._redis, self._lists.keys[step.list_name]), letter_ids.get(event, _NO_ID)
        if step.command == "replay":
            return letters.replay(letter_id, element(event), side=self._lists.side)
        return letters.delete(letter_id)

    async def scan(self, actor: str) -> Values:
        """What the owner adopts: every claimed event, read page by page."""
        claims = self._claims[self._tokens[actor]]
        ids = (await claims.claimed_fields()).take(_ALL)
        found = await claims.read(ids, most_bytes_of_one=_BYTES) if ids else []
        return {
            "fields": tuple((number, self._names.stamp(stamp)) for number, stamp in ids),
            "events": tuple(event_of(cast("bytes", each)) for each in found),
        }

    def _lease(self, step: Step) -> Lease:
        token = cast("int", step.arguments["token"])
        if token not in self._leases:
            raise LookupError(f"nobody has acquired with token {token}")
        return self._leases[token]

    def _acquire(self, step: Step) -> Call:
        token = cast("int", step.arguments["token"])
        if token not in self._leases:
            self._leases[token] = Lease(self._redis, self._lists.keys[step.list_name], ttl=_TTL, owner=step.actor)
            self._names.tokens[token] = self._leases[token].token.encode()
        return self._acquired(self._leases[token], token, step.actor)

    async def _acquired(self, lease: Lease, token: int, actor: str) -> None:
        if await lease.acquire() is not None:
            self._claims[token] = Claims(lease, side=self._lists.side)
            self._tokens[actor] = token

    def _positioned(self, step: Step, attribute: str, position: int) -> Claims:
        """The owner's claims; they must stand where the model's owner stands. Those of a late copy are put there."""
        if step.actor == LATE:
            late = Claims(self._lease(step), side=self._lists.side)
            setattr(late, attribute, position)
            return late
        claims = self._claims[cast("int", step.arguments["token"])]
        if getattr(claims, attribute) != position:
            raise AnotherClientError(f"the real owner knows {attribute[1:]} {getattr(claims, attribute)}")
        return claims

    def _claim(self, step: Step) -> Call:
        claims = self._positioned(step, "_sequence", cast("int", step.arguments["expected"]))
        most = cast("int", step.arguments["most"])
        return claims.claim(most=most, most_bytes=_BYTES, most_bytes_of_one=_BYTES)

    def _settle(self, step: Step) -> Call:
        claims = self._positioned(step, "_settlement", cast("int", step.arguments["number"]) - 1)
        settlement = Settlement()
        for number, stamp in cast("tuple[Field, ...]", step.arguments["accepted"]):
            settlement.accepted.setdefault(self._names.stamps[stamp], []).append(number)
        for number, stamp in cast("tuple[Field, ...]", step.arguments["letters"]):
            settlement.letters.append(NewLetter(number, self._names.stamps[stamp], "rejected", "400", "", "u", 1))
        return claims.settle(settlement)
