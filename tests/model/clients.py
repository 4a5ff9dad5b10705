"""The clients of one schedule: the real classes, which send what the service would send."""

from collections.abc import Coroutine, Mapping
from typing import Any, cast

from redis.asyncio import Redis

from forwarder.queue.claims import Claims, NewLetter, Settlement
from forwarder.queue.lease import Lease, Position
from forwarder.queue.letters import ListLetters
from tests.model.lists import AGED, Content, Lists
from tests.model.names import Names, element, event_of
from tests.model.trace import LATE, Step, Value, Values

#: Seconds that every lease lasts.
TTL = 2 * AGED / 1000
_BYTES = 1_000_000
#: More than any list of a schedule holds.
_ALL = 10_000
#: A call of a real class, which sends one command or several.
Call = Coroutine[Any, Any, Any]


class AnotherClientError(Exception):
    """The real client would not send what the model's client sends."""


class Owners:
    """Workers and people: one lease and one :class:`Claims` for each token of a list.

    A model may use a token again when nothing refers to it any more. The real token then is the same as well: Redis
    only compares it, and it is nowhere. A late copy is sent by objects of its own, which send what the line says.
    """

    def __init__(self, redis: Redis, lists: Lists, names: Names) -> None:
        self._redis = redis
        self._lists = lists
        self._names = names
        self._leases: dict[tuple[str, int], Lease] = {}
        self._claims: dict[tuple[str, int], Claims] = {}
        self._tokens: dict[str, int] = {}
        self._letter_ids: dict[int, list[str]] = {}

    def hold(self, state: Values) -> None:
        """Makes the owner that holds a list at first."""
        of = state.word("list"), state.number("holder")
        lease = self._lease(*of)
        lease.start = Position(state.number("sequence"), state.number("settlement"), len(state.fields("fields")))
        self._claims[of] = Claims(lease, side=self._lists.side)

    def __contains__(self, actor: object) -> bool:
        """Whether an actor has acquired a list."""
        return actor in self._tokens

    def note_letter(self, event: int, letter_id: str) -> None:
        """A person has read this letter; the command to replay it arrives late."""
        self._letter_ids.setdefault(event, []).append(letter_id)

    def call(self, step: Step, content: Content) -> Call:
        """The call that sends a step's command, when its list holds `content`.

        Raises:
            AnotherClientError: it would send something else.
            LookupError: the step names a token or a stamp that no reply has brought.
        """
        of = step.list_name, step.arguments.number("token")
        match step.command:
            case "acquire":
                return self._acquire(self._lease(*of), of, step.actor)
            case "renew":
                return self._leases[of].renew()
            case "release":
                return self._leases[of].release()
            case "claim":
                return self._claim(step, of)
            case "settle":
                return self._settle(step, of)
        event = step.arguments.number("event")
        letter_id = self._letter_ids[event].pop(0) if step.actor == LATE else content.letter_of(event)
        letters = ListLetters(self._redis, self._lists.keys[step.list_name])
        if step.command == "replay":
            return letters.replay(letter_id, element(event), side=self._lists.side)
        return letters.delete(letter_id)

    async def scan(self, actor: str, list_name: str) -> Mapping[str, Value]:
        """What the owner adopts: every claimed event, read page by page."""
        claims = self._claims[list_name, self._tokens[actor]]
        ids = (await claims.claimed_fields()).take(_ALL)
        found = await claims.read(ids, most_bytes_of_one=_BYTES) if ids else []
        return {
            "fields": tuple((number, self._names.stamp(stamp)) for number, stamp in ids),
            "events": tuple(event_of(cast("bytes", each)) for each in found),
        }

    def _lease(self, list_name: str, token: int) -> Lease:
        """The lease of a token, which is new if the token is."""
        of = list_name, token
        if of not in self._leases:
            self._leases[of] = Lease(self._redis, self._lists.keys[list_name], ttl=TTL)
            self._names.tokens[of] = self._leases[of].token.encode()
        return self._leases[of]

    async def _acquire(self, lease: Lease, of: tuple[str, int], actor: str) -> None:
        if await lease.acquire() is not None:
            self._claims[of] = Claims(lease, side=self._lists.side)
            self._tokens[actor] = of[1]

    def _positioned(self, step: Step, of: tuple[str, int], attribute: str, position: int) -> Claims:
        """The owner's claims; they must stand where the model's owner stands. Those of a late copy are put there."""
        if step.actor == LATE:
            late = Claims(self._leases[of], side=self._lists.side)
            setattr(late, attribute, position)
            return late
        stands = getattr(self._claims[of], attribute)
        if position not in {stands, _ANYWHERE}:
            raise AnotherClientError(f"the real owner knows {attribute[1:]} {stands}")
        return self._claims[of]

    def _claim(self, step: Step, of: tuple[str, int]) -> Call:
        claims = self._positioned(step, of, "_sequence", step.arguments.number("expected", _ANYWHERE))
        return claims.claim(most=step.arguments.number("most"), most_bytes=_BYTES, most_bytes_of_one=_BYTES)

    def _settle(self, step: Step, of: tuple[str, int]) -> Call:
        position = step.arguments.number("number") - 1 if "number" in step.arguments else _ANYWHERE
        claims = self._positioned(step, of, "_settlement", position)
        settlement = Settlement()
        for number, stamp in step.arguments.fields("accepted"):
            settlement.accepted.setdefault(self._names.stamps[stamp], []).append(number)
        for number, stamp in step.arguments.fields("letters"):
            settlement.letters.append(NewLetter(number, self._names.stamps[stamp], "rejected", "400", "", "u", 1))
        return claims.settle(settlement)


#: The model does not say where its owner stands.
_ANYWHERE = -1
