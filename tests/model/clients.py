"""The clients of one schedule: the real classes, which send what the service would send."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, cast

from redis.asyncio import Redis

from forwarder.queue.claims import Claims, NewLetter, Settlement
from forwarder.queue.lease import Lease, Position
from forwarder.queue.letters import ListLetters
from forwarder.queue.wire.replies import Command
from tests.model.lists import AGED, Content, Lists
from tests.model.names import Names, element, event_of
from tests.model.trace import LATE, Step, Value, Values
from tests.model.wire import sent

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

    A late copy is sent by objects of its own, which send what the line says.
    """

    def __init__(self, redis: Redis, lists: Lists, names: Names) -> None:
        self._redis = redis
        self._lists = lists
        self._names = names
        self._leases: dict[tuple[str, int], Lease] = {}
        self._claims: dict[tuple[str, int], Claims] = {}
        self._tokens: dict[str, int] = {}
        self._late_letters: dict[int, list[str]] = {}
        self._late_acquires: dict[tuple[str, int], Command] = {}

    def hold(self, state: Values) -> None:
        """Makes the owner that holds a list at first."""
        of = state.word("list"), state.number("holder")
        lease = self._leases[of] = Lease(self._redis, self._lists.keys[of[0]], ttl=TTL)
        lease.start = Position(state.number("sequence"), state.number("settlement"), len(state.fields("fields")))
        self._names.tokens[of] = lease.token
        self._claims[of] = Claims(lease, side=self._lists.side)

    def __contains__(self, actor: object) -> bool:
        """Whether an actor has acquired a list."""
        return actor in self._tokens

    def send_late(self, step: Step, content: Content) -> None:
        """A command was sent that arrives late: a person has read a letter, or an owner has asked for a list."""
        event, of = step.arguments.number("event"), (step.list_name, step.arguments.number("token"))
        if step.command == "replay_sent":
            self._late_letters.setdefault(event, []).append(content.letter_of(event))
            return
        call = self._acquire(step, of)
        self._late_acquires[of] = self.asked(step, call.send(None))
        call.close()

    def asked(self, step: Step, command: Command) -> Command:
        """Learns the token of an `acquire` that is sent.

        Raises:
            AnotherClientError: it is to replace other tokens than the model says.
        """
        token, _, _, *over = cast("Sequence[str]", command[3 + int(command[2]) :])
        expected = {self._names.tokens[step.list_name, each] for each in step.arguments.numbers("over")}
        if "over" in step.arguments and expected != set(over):
            raise AnotherClientError(f"the real owner has asked with {len(over)} other tokens")
        self._names.tokens[step.list_name, step.arguments.number("token")] = token
        return command

    def call(self, step: Step, content: Content) -> Call:
        """The call that sends a step's command, when its list holds `content`.

        Raises:
            AnotherClientError: it would send something else.
            LookupError: the step names a token or a stamp that no reply has brought.
        """
        of = step.list_name, step.arguments.number("token")
        match step.command:
            case "acquire":
                return self._acquire(step, of)
            case "renew":
                return self._lease(step, of).renew()
            case "release":
                return self._lease(step, of).release()
            case "claim":
                return self._claim(step, of)
            case "settle":
                return self._settle(step, of)
        event = step.arguments.number("event")
        letter_id = self._late_letters[event].pop(0) if step.actor == LATE else content.letter_of(event)
        letters = ListLetters(self._redis, self._lists.keys[step.list_name])
        if step.command == "replay":
            return letters.replay(letter_id, element(event), side=self._lists.side)
        return letters.delete(letter_id)

    async def scan(self, step: Step) -> Mapping[str, Value]:
        """What the owner adopts: every claimed event, read page by page."""
        claims = self._claims[step.list_name, step.arguments.number("token", self._tokens[step.actor])]
        ids = (await claims.claimed_fields()).take(_ALL)
        found = await claims.read(ids, most_bytes_of_one=_BYTES) if ids else []
        return {
            "fields": tuple((number, self._names.stamp(stamp)) for number, stamp in ids),
            "events": tuple(event_of(cast("bytes", each)) for each in found),
        }

    def _acquire(self, step: Step, of: tuple[str, int]) -> Call:
        """A new lease; the same one, if this repeats a call that has had no answer."""
        if step.actor == LATE:
            return sent(self._late_acquires.pop(of))
        before = [(step.list_name, token) for token in step.arguments.numbers("over")]
        if "over" not in step.arguments and of in self._leases:
            before = [of]
        new = Lease(self._redis, self._lists.keys[step.list_name], ttl=TTL, owner=step.actor)
        self._leases[of] = self._leases[before[0]] if before else new
        return self._acquired(self._leases[of], of, step.actor)

    async def _acquired(self, lease: Lease, of: tuple[str, int], actor: str) -> None:
        if await lease.acquire() is not None:
            self._claims[of] = Claims(lease, side=self._lists.side)
            self._tokens[actor] = of[1]

    def _lease(self, step: Step, of: tuple[str, int]) -> Lease:
        """The lease of a token; for a late copy, one that has this token for ever."""
        if step.actor != LATE:
            return self._leases[of]
        late = Lease(self._redis, self._lists.keys[step.list_name], ttl=TTL)
        late.token = self._names.tokens[of]
        return late

    def _positioned(self, step: Step, of: tuple[str, int], **positions: int) -> Claims:
        """The owner's claims; they must stand where the model's owner stands. Those of a late copy are put there."""
        claims = Claims(self._lease(step, of), side=self._lists.side) if step.actor == LATE else self._claims[of]
        for name, position in positions.items():
            stands = getattr(claims, f"_{name}")
            if step.actor == LATE:
                setattr(claims, f"_{name}", position)
            elif position not in {stands, _ANYWHERE}:
                raise AnotherClientError(f"the real owner knows {name} {stands}")
        return claims

    def _claim(self, step: Step, of: tuple[str, int]) -> Call:
        sequence = step.arguments.number("expected", _ANYWHERE)
        settlement = step.arguments.number("settlement", _ANYWHERE)
        claims = self._positioned(step, of, sequence=sequence, settlement=settlement)
        return claims.claim(most=step.arguments.number("most"), most_bytes=_BYTES, most_bytes_of_one=_BYTES)

    def _settle(self, step: Step, of: tuple[str, int]) -> Call:
        settled = step.arguments.number("number") - 1 if "number" in step.arguments else _ANYWHERE
        claims = self._positioned(step, of, settlement=settled)
        settlement = Settlement()
        for number, stamp in step.arguments.fields("accepted"):
            settlement.accepted.setdefault(self._names.stamps[stamp], []).append(number)
        for number, stamp in step.arguments.fields("letters"):
            settlement.letters.append(NewLetter(number, self._names.stamps[stamp], "rejected", "400", "", "u", 1))
        return claims.settle(settlement)


#: The model does not say where its owner stands.
_ANYWHERE = -1
