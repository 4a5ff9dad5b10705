"""Replays the schedules of a model against the real scripts on a real Redis, and compares every reply and state."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

import redis as blocking

from forwarder.errors import LeaseLostError, RolledBackError
from forwarder.queue.wire.replies import Command
from tests.model.clients import AnotherClientError, Call, Clients
from tests.model.lists import AGED, Content, Digests, Lists
from tests.model.names import Names, event_of
from tests.model.trace import Schedule, Step, Values
from tests.model.wire import RefusedError, Rounds, Wire, checked, loaded, together

SCRIPTS = (
    *("acquire", "claim", "settle", "renew", "release", "claimed_fields", "read_claimed"),
    *("replay_letter", "delete_letter"),
)
_FENCED = frozenset({"acquire", "claim", "settle", "renew"})
#: Replies after which the lease lasts as long as the command has asked for.
_EXTENDING = frozenset({"acquired", "claimed", "again", "settled", "rolled_back", "renewed"})
#: Redis refuses what pushes an event while it is full.
_REFUSED_WHEN_FULL = frozenset({"replay"})
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
        named = sorted({step.list_name for step in schedule.steps})
        self._names = Names()
        self._lists = Lists(server.digests, f"{server.prefix}-{number}", named, "right" if number % 2 else "left")
        self._clients = Clients(server.wire, self._lists, self._names)
        self._contents: dict[str, Content] = {}
        self._looks: Sequence[Any] = []
        #: Calls that have more to send: after `again`, the owner reads what was claimed with its next scan.
        self._pending: dict[str, tuple[Call, Command]] = {}

    def run(self) -> Rounds[Result]:
        """Each step is one round, in which what it leaves behind is read as well."""
        result = yield from self._steps()
        yield [self._lists.delete()]
        return result

    def _steps(self) -> Rounds[Result]:
        for step in self._schedule.steps:
            try:
                yield from self._step(step)
            except (DifferentError, AnotherClientError, RefusedError, LookupError, ValueError) as error:
                return Result(self._schedule, step, f"{error} ({type(error).__name__})", self._contents)
        return Result(self._schedule, None, "", self._contents)

    def _step(self, step: Step) -> Rounds[None]:
        reply, values = step.reply, step.values
        match step.command:
            case "push":
                yield from self._round([self._lists.push(step.list_name, cast("int", step.arguments["event"]))])
            case "expire":
                yield from self._round([self._lists.expire(step.list_name)])
            case "replicate":
                yield from self._round([self._lists.replicate()])
            case "failover":
                yield from self._round([self._lists.failover()])
            case "scan":
                values = yield from self._scan(step)
            case _:
                reply, values = yield from self._call(step)
        self._contents = self._lists.contents(self._looks, self._names)
        self._compare(step, reply, values)

    def _round(self, commands: Sequence[Command]) -> Rounds[list[Any]]:
        """Sends commands, then reads every list. Returns the replies to the commands."""
        replies = yield [*commands, *self._lists.read()]
        self._looks = replies[len(commands) :]
        return [checked(reply) for reply in replies[: len(commands)]]

    def _scan(self, step: Step) -> Rounds[Values]:
        if step.actor in self._pending:
            yield from self._finished(*self._pending.pop(step.actor))
        call = self._clients.scan(step.actor)
        return cast("Values", (yield from self._finished(call, call.send(None))))

    def _finished(self, call: Call, command: Command) -> Rounds[Any]:
        """Sends the rest of the commands of a call, each in a round of its own. Returns its result."""
        while True:
            (reply,) = yield from self._round([command])
            try:
                command = call.send(reply)
            except StopIteration as end:
                return end.value
            except RolledBackError:
                return None

    def _call(self, step: Step) -> Rounds[tuple[str, Values]]:
        """Sends the command of a step; its client receives the reply, unless that is lost."""
        content = self._contents.get(step.list_name)
        call = self._clients.call(step, content.letter_ids if content else {})
        reply = yield from self._sent(step, call.send(None))
        word, values = self._translated(reply, cast("int", step.values.get("stamp", 0)))
        if step.is_received:
            self._receive(step, call, reply)
        else:
            call.close()
        return word, values

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
        except (StopIteration, LeaseLostError, RolledBackError):
            return

    def _translated(self, reply: Sequence[Any], stamp: int) -> tuple[str, Values]:
        """A reply in the words of the model, in which a claim has this stamp."""
        values: Values = {}
        match reply:
            case [b"acquired", *counts]:
                values = dict(zip(("sequence", "settlement", "claimed"), counts, strict=True))
            case [b"claimed", before, _, waiting]:
                values = {"before": before, "stamp": 0, "events": (), "waiting": waiting}
            case [b"claimed", before, real, waiting, *elements]:
                self._names.learn(stamp, int(real))
                events = tuple(event_of(found) for found in elements)
                values = {"before": before, "stamp": stamp, "events": events, "waiting": waiting}
            case [b"again", sequence, _]:
                values = {"sequence": sequence}
            case [b"pushed", number]:
                waiting, *_, counts, _ = self._looks[0]
                if number != int(counts[0]) + len(waiting):
                    raise DifferentError(f"the event will not be claimed under the number {number}")
        return reply[0].decode(), values

    def _compare(self, step: Step, reply: str, values: Values) -> None:
        if (reply, values) != (step.reply, step.values):
            raise DifferentError(f"Redis replies {reply} {_shown(values)}")
        for state in step.states:
            found = self._contents[state.list_name].values
            differ = {name: found[name] for name, value in state.values.items() if found[name] != value}
            if differ:
                raise DifferentError(f"Redis has, in list {state.list_name}, {_shown(differ)}")
        # A client counts its lease from when it sent a command that was answered, so each answer must extend it.
        is_extended = self._contents[step.list_name].left > AGED
        if step.command in _FENCED and is_extended != (reply in _EXTENDING):
            raise DifferentError(f"the lease was {'' if is_extended else 'not '}extended")


def _shown(values: Values) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())
