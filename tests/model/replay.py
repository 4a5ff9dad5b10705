"""Replays the schedules of a model against the real scripts on a real Redis, and compares every reply and state."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import redis as blocking
from redis.asyncio import Redis

from forwarder.errors import LeaseLostError, RolledBackError, ShardsDisagreeError, WrongTypeError
from forwarder.queue.keys import Side
from forwarder.queue.wire.replies import Command
from tests.model.clients import AnotherClientError, Call, Owners
from tests.model.lists import AGED, Content, Digests, Lists
from tests.model.movers import FIRST_TOKEN, Movers, number_of, text_of
from tests.model.names import Names, event_of, in_page
from tests.model.trace import LATE, Schedule, Step, Value, Values
from tests.model.wire import RefusedError, Rounds, Wire, checked, loaded, together

SCRIPTS = (
    *("acquire", "claim", "settle", "renew", "release", "claimed_fields", "read_claimed"),
    *("replay_letter", "delete_letter", "attend", "reshard"),
    *("set_aside", "unload_events", "unload_letters", "unload_counts", "load", "tidy"),
)
#: Commands of a resharding whatever their token is.
_OF_MOVERS = frozenset(
    ("attend", "read", "reshard", "set_aside", "unload_events", "unload_letters", "unload_counts", "load", "tidy")
)
_FENCED = frozenset(
    ("acquire", "claim", "settle", "renew", "set_aside", "unload_events", "unload_letters", "unload_counts", "load")
)
#: Replies after which the lease does not last longer than before.
_NOT_EXTENDING = frozenset({"lost", "busy"})
#: Redis refuses what pushes an event while it is full.
_REFUSED_WHEN_FULL = frozenset({"replay", "attend"})
_SIDES: tuple[Side, Side] = "left", "right"
_FILL: Command = ("CONFIG", "SET", "maxmemory", 1)
_EMPTY: Command = ("CONFIG", "SET", "maxmemory", 0)


@dataclass(frozen=True, slots=True)
class Result:
    """How a schedule ended on a real Redis.

    Attributes:
        different: the first step at which Redis did something else than the model; None if there is none.
        why: what was different.
        contents: of each list after the last step that was executed.
    """

    schedule: Schedule
    different: Step | None
    why: str
    contents: Mapping[str, Content]

    def __str__(self) -> str:
        if self.different is None:
            return "\n".join(self.schedule.lines)
        at = self.different.line
        lines = [f"{'>>>' if n == at else '   '} {line}" for n, line in enumerate(self.schedule.lines, 1)]
        return "\n".join([*lines, f"Redis and the model disagree at line {at}: {self.why}"])


class DifferentError(Exception):
    """Redis did something else than the model."""


@dataclass(frozen=True, slots=True)
class _Server:
    """A Redis that knows the scripts."""

    wire: Wire
    digests: Digests
    prefix: str
    is_full: bool


def replay(
    redis: blocking.Redis,
    schedules: Iterable[Schedule],
    broken: Mapping[str, str] | None = None,
    *,
    is_full: bool = False,
) -> Iterator[Result]:
    """Replays schedules, many at once. In every other one the oldest event is on the right.

    Args:
        redis: a client of the server.
        schedules: from the first state of the model.
        broken: texts that replace scripts, by the names of those.
        is_full: whether Redis is full whenever it executes a script that must work then. No other client may use it.
    """
    prefix = f"model-{uuid4().hex[:8]}"
    server = _Server(loaded(redis, SCRIPTS, broken or {}), Digests.load(redis), prefix, is_full)
    return together(redis, (_Replay(server, number, each).run() for number, each in enumerate(schedules)))


class _Replay:
    """One schedule on keys of its own."""

    def __init__(self, server: _Server, number: int, schedule: Schedule) -> None:
        self._schedule = schedule
        self._is_full = server.is_full
        self._has_movers = any(step.command in _OF_MOVERS for step in schedule.steps)
        self._names = Names()
        self._lists = Lists(server.digests, f"{server.prefix}-{number}", schedule.lists, _SIDES[number % 2])
        redis = cast("Redis", server.wire)
        self._owners = Owners(redis, self._lists, self._names)
        self._movers = Movers(redis, self._lists, self._names)
        self._contents: dict[str, Content] = {}
        #: Calls that have more to send: after `again`, the owner reads what was claimed with its next scan.
        self._pending: dict[str, tuple[Call, Command]] = {}

    def run(self) -> Rounds[Result]:
        """Each step is one round, in which what it leaves behind is read as well."""
        yield from self._set_up()
        result = yield from self._steps()
        yield [self._lists.delete()]
        return result

    def _set_up(self) -> Rounds[None]:
        commands: list[Command] = [("SET", self._lists.queue.shards, text_of(0))]
        for state in self._schedule.first:
            if state.number("holder"):
                self._owners.hold(state)
            commands += self._lists.set_up(state, self._names)
            commands.append(self._lists.replicate(state.word("list")))
        yield from self._round(commands)

    def _steps(self) -> Rounds[Result]:
        for step in self._schedule.steps:
            try:
                yield from self._step(step)
            except (DifferentError, AnotherClientError, RefusedError, LookupError, ValueError) as error:
                return Result(self._schedule, step, f"{error} ({type(error).__name__})", self._contents)
        return Result(self._schedule, None, "", self._contents)

    def _step(self, step: Step) -> Rounds[None]:
        reply, values = step.reply, step.values.all
        match step.command:
            case "replay_sent" | "acquire_sent":
                self._owners.send_late(step, self._contents[step.list_name])
            case "scan":
                reply, values = yield from self._scan(step)
            case "letters":
                values = {"letters": tuple(event for _, event in self._contents[step.list_name].letters)}
            case "push" | "expire" | "replicate" | "failover" | "forget":
                yield from self._round([self._lists.command(step)])
            case _:
                reply, values = yield from self._call(step)
        self._compare(step, reply, values)

    def _round(self, commands: Sequence[Command]) -> Rounds[list[Any]]:
        """Sends commands, then reads every list. Returns the replies to the commands."""
        replies = yield [*commands, *self._lists.read]
        self._contents = self._lists.contents(replies[len(commands) :], self._names)
        return [checked(reply) for reply in replies[: len(commands)]]

    def _scan(self, step: Step) -> Rounds[tuple[str, Mapping[str, Value]]]:
        """Reads what is claimed, page by page; before that, what the owner's last call still has to read."""
        if self._has_movers and "token" not in step.arguments:
            return "", self._contents[step.list_name].values
        client = self._movers if self._has_movers and step.actor not in self._owners else self._owners
        try:
            if step.actor in self._pending:
                yield from self._finished(*self._pending.pop(step.actor))
            call: Call = client.scan(step)
            found = yield from self._finished(call, call.send(None))
            reply = ""
        except LeaseLostError:
            found, reply = {}, "lost"
        yield from self._round([])
        return reply, found if client is self._owners else self._of_mover(step, found)

    def _of_mover(self, step: Step, fields: Value) -> Mapping[str, Value]:
        """A resharding does not read the events: what Redis holds stands for them."""
        return {"fields": fields, "events": self._contents[step.list_name].values["events"]}

    @staticmethod
    def _finished(call: Call, command: Command) -> Rounds[Any]:
        """Sends the rest of the commands of a call, which only read, each in a round of its own. Returns its result."""
        while True:
            (reply,) = yield [command]
            try:
                command = call.send(checked(reply))
            except StopIteration as end:
                return end.value
            except RolledBackError:
                return None

    def _call(self, step: Step) -> Rounds[tuple[str, Mapping[str, Value]]]:
        """Sends the command of a step; its client receives the reply, unless that is lost."""
        client = self._movers if self._is_of_mover(step) else self._owners
        call = client.call(step, self._contents[step.list_name])
        command = call.send(None)
        if step.command == "acquire" and client is self._owners and step.actor != LATE:
            self._owners.asked(step, command)
        reply = yield from self._sent(step, command)
        translated = self._translated(step, reply)
        if step.is_received:
            self._receive(step, call, reply)
        else:
            call.close()
        return translated

    def _is_of_mover(self, step: Step) -> bool:
        return step.command in _OF_MOVERS or (self._has_movers and step.arguments.number("token") >= FIRST_TOKEN)

    def _sent(self, step: Step, command: Command) -> Rounds[Any]:
        """Sends one command, while Redis is full if that is wanted."""
        if self._is_full and step.command not in _REFUSED_WHEN_FULL:
            _, reply, _ = yield from self._round([_FILL, command, _EMPTY])
        else:
            (reply,) = yield from self._round([command])
        return reply

    def _receive(self, step: Step, call: Call, reply: Any) -> None:
        self._pending.pop(step.actor, None)
        try:
            self._pending[step.actor] = call, call.send(reply)
        except (StopIteration, LeaseLostError, RolledBackError, WrongTypeError, ShardsDisagreeError):
            return

    def _translated(self, step: Step, reply: Any) -> tuple[str, Mapping[str, Value]]:
        """A reply in the words of the model."""
        if step.command == "read":
            return "", {"text": number_of(reply)}
        values: Mapping[str, Value] = {}
        match reply:
            case [b"acquired", *counts]:
                values = dict(zip(("sequence", "settlement", "claimed"), counts, strict=True))
            case [b"claimed", before, _, waiting]:
                values = {"before": before, "stamp": 0, "events": (), "waiting": waiting}
            case [b"claimed", before, stamp, waiting, *elements]:
                self._names.learn(step.values.number("stamp"), int(stamp))
                events = tuple(event_of(found) for found in elements)
                values = {"before": before, "stamp": step.values.number("stamp"), "events": events, "waiting": waiting}
            case [b"again", sequence, _]:
                values = {"sequence": sequence}
            case [b"otherwise", text]:
                values = {"text": number_of(text)}
            case [b"page", number, handled, *items]:
                self._movers.note_page(step.list_name, number, items)
                values = {"number": number, "handled": handled, **in_page(items)}
            case [b"pushed", number]:
                self._check_number(step, number)
        return reply[0].decode(), values

    def _check_number(self, step: Step, number: int) -> None:
        """A replayed event is to be claimed under the number of the reply."""
        found = Values(self._contents[step.list_name].values)
        if number != found.number("sequence") + len(found.numbers("waiting")):
            raise DifferentError(f"the event will not be claimed under the number {number}")

    def _compare(self, step: Step, reply: str, values: Mapping[str, Value]) -> None:
        differ = _different(values, step.values)
        if reply != step.reply or differ:
            raise DifferentError(f"Redis replies {reply} {differ}")
        for state in step.states:
            if differ := _different(self._contents[state.word("list")].values, state):
                raise DifferentError(f"Redis has, in list {state.word('list')}, {differ}")
        # A client counts its lease from when it sent a command that was answered, so each answer must extend it.
        is_extended = self._contents[step.list_name].left > AGED
        if step.command in _FENCED and is_extended == (reply in _NOT_EXTENDING):
            raise DifferentError(f"the lease was {'' if is_extended else 'not '}extended")


def _different(found: Mapping[str, Value], expected: Values) -> str:
    """What is not as the model says, as far as it says it."""
    names = [name for name, value in expected.all.items() if name != "list" and found.get(name) != value]
    return " ".join(f"{name}={found.get(name)}" for name in names)
