"""Reads what the models print: one line for each command that Redis executes, typed and checked. Pure.

``> w1 claim token=1 expected=0 most=2 | claimed before=0 stamp=1 events=1,2 waiting=0`` is a command of an actor and
Redis' reply to it. A line ``# reply lost`` after it: the actor has not received the reply. A command of the actor
``late`` is an old copy, which Redis executes when its sender has gone on: nobody receives its reply. A line
``= list=a waiting=3 …`` is the state of a list after the command, or before the first one. A line ``# walk`` begins the
next schedule. Every other line that begins with ``#`` is for people. Any other line is an error.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

#: The sequence number and the stamp of a claimed event; or a letter's event and the number of the list it goes to.
Field = tuple[int, int]
Value = int | str | tuple[int, ...] | tuple[Field, ...]

LATE = "late"
#: What a line about a list that it does not name is about.
THE_LIST = "a"
_LOST, _WALK = "# reply lost", "# walk"
#: Here somebody sends a command that arrives late: a person who has read a letter, a worker that asks for a list.
_SENT = re.compile(r"# (?:a copy of )?(replay|acquire)((?: \w+=\S+)+)(?: by (\w+))? is late")
_STEP = re.compile(r"> (\w+) (\w+)((?: \w+=\S+)*)(?: \|(?: (\w+)(?!=))?((?: \w+=\S+)*))?")
_STATE = re.compile(r"=((?: \w+=\S+)+)")

#: Each command with its arguments, and its replies with what they carry; with ? it may be left out. A command may also
#: name its list.
_COMMANDS = """
acquire token:number over?:numbers | acquired sequence:number settlement?:number claimed:number | busy
scan token?:number | fields:fields events:numbers | lost
claim token:number expected?:number settlement?:number most:number
      | claimed before?:number stamp:number events:numbers waiting?:number | again sequence:number | lost | rolled_back
settle token:number number?:number accepted:fields letters?:fields | settled | lost | rolled_back
renew token:number | renewed | lost
release token:number | released | lost
push event:number | pushed
replay event:number | pushed | gone | moving
delete event:number | deleted | gone | moving
expire |
replicate |
failover |
attend | attending
forget |
read | text:number
reshard present:number text:number | written | otherwise text?:number | workers
set_aside token:number | aside | lost | rolled_back
unload_events token:number page:number fields:fields
      | page number:number handled:number events?:numbers letters?:numbers counts?:numbers | lost | rolled_back
unload_letters token:number page:number letters:fields
      | page number:number handled:number events?:numbers letters?:numbers counts?:numbers | lost
unload_counts token:number page:number
      | page number:number handled?:number events?:numbers letters?:numbers counts?:numbers | lost
load token:number from:word page:number events?:numbers letters?:numbers counts?:numbers | loaded | lost | wrongtype
letters | letters:numbers
tidy token:number gone:number | tidy | lost
"""
_OF_A_STATE = """
list?:word waiting?:numbers fields?:fields events?:numbers sequence?:number settlement?:number accepted?:number
dead_lettered?:number replayed?:number deleted?:number letters?:set holder?:number
aside?:numbers stage?:numbers page?:numbers moved?:numbers
"""


class TraceError(ValueError):
    """A line that is not one of a trace."""


@dataclass(frozen=True, slots=True)
class Values:
    """Named values, each with the type that its name has in the grammar."""

    all: Mapping[str, Value]

    def number(self, name: str, default: int = 0) -> int:
        return cast("int", self.all.get(name, default))

    def numbers(self, name: str) -> tuple[int, ...]:
        return cast("tuple[int, ...]", self.all.get(name, ()))

    def fields(self, name: str) -> tuple[Field, ...]:
        return cast("tuple[Field, ...]", self.all.get(name, ()))

    def word(self, name: str) -> str:
        return cast("str", self.all.get(name, THE_LIST))

    def __contains__(self, name: str) -> bool:
        return name in self.all


@dataclass(slots=True)
class Step:
    """One command that Redis executes; or, as `replay_sent` and `acquire_sent`, the moment when a late one was sent.

    Attributes:
        reply: its first word; empty for a command that only reads.
        is_received: whether the actor has received the reply.
        states: of lists, after the command.
    """

    line: int
    actor: str
    command: str
    arguments: Values
    reply: str
    values: Values
    is_received: bool = True
    states: list[Values] = field(default_factory=list)

    @property
    def list_name(self) -> str:
        """The list that the command is about."""
        return self.arguments.word("list")


@dataclass(slots=True)
class Schedule:
    """One run of a model, and all its lines. `first`: the first states of lists that are not empty."""

    first: list[Values] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def lists(self) -> list[str]:
        """The lists that it names."""
        steps = {name for step in self.steps for name in (step.list_name, step.arguments.word("from"))}
        return sorted(steps | {state.word("list") for state in self.first})


def schedules(lines: Iterable[str]) -> Iterator[Schedule]:
    """The schedules in the output of a model.

    Raises:
        TraceError: a line is not one of a trace. The message has its text.
    """
    schedule = Schedule()
    for line in lines:
        text = line.strip()
        if text == _WALK:
            if schedule.steps:
                yield schedule
            schedule = Schedule()
        elif text:
            _add(schedule, text)
    if schedule.steps:
        yield schedule


def _add(schedule: Schedule, text: str) -> None:
    schedule.lines.append(text)
    try:
        if text.startswith(">"):
            schedule.steps.append(_step(text, len(schedule.lines)))
        elif text.startswith("="):
            states = schedule.steps[-1].states if schedule.steps else schedule.first
            states.append(_state(text))
        elif text == _LOST:
            schedule.steps[-1].is_received = False
        elif found := _SENT.fullmatch(text):
            sent = _values(found[2], _GRAMMAR[found[1]][0])
            schedule.steps.append(Step(len(schedule.lines), found[3] or "", f"{found[1]}_sent", sent, "", Values({})))
        elif not text.startswith("#"):
            raise ValueError("it begins with none of > = #")  # noqa: TRY301 - the text is added below
    except (ValueError, LookupError) as error:
        raise TraceError(f"{text!r} is not a line of a trace: {error}") from error


def _step(text: str, line: int) -> Step:
    found = _STEP.fullmatch(text)
    if found is None:
        raise ValueError("it does not have the form `> actor command name=value | reply name=value`")
    actor, command, arguments, reply, values = found.groups(default="")
    expected, replies = _GRAMMAR[command]
    return Step(
        line, actor, command, _values(arguments, expected), reply, _values(values, replies[reply]), actor != LATE
    )


def _state(text: str) -> Values:
    found = _STATE.fullmatch(text)
    if found is None:
        raise ValueError("it does not have the form `= name=value`")
    return _values(found[1], _STATE_KINDS)


@dataclass(frozen=True, slots=True)
class _Kinds:
    """How the value of each name is read, and the names that must be there."""

    readers: Mapping[str, Callable[[str], Value]]
    needed: frozenset[str]


def _values(text: str, kinds: _Kinds) -> Values:
    pairs = [each.split("=") for each in text.split()]
    values = {name: kinds.readers[name](value) for name, value in pairs}
    if len(values) < len(pairs):
        raise ValueError("a name is there twice")
    if missing := kinds.needed - values.keys():
        raise ValueError(f"{', '.join(sorted(missing))} missing")
    return Values(values)


def _numbers(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(map(int, text.split(",")))


def _set(text: str) -> tuple[int, ...]:
    return tuple(sorted(_numbers(text)))


def _fields(text: str) -> tuple[Field, ...]:
    pairs = [] if text == "-" else [each.split("-") for each in text.split(",")]
    return tuple((int(number), int(stamp)) for number, stamp in pairs)


_READERS: Mapping[str, Callable[[str], Value]] = {
    "number": int,
    "numbers": _numbers,
    "set": _set,
    "fields": _fields,
    "word": str,
}


def _kinds(text: str) -> tuple[str, _Kinds]:
    """The word in front, if there is one, and the kind of each name."""
    parts = [each.partition(":") for each in text.split()]
    named = {name: _READERS[kind] for name, colon, kind in parts if colon}
    needed = frozenset(name for name in named if not name.endswith("?"))
    return "".join(word for word, colon, _ in parts if not colon), _Kinds(
        {name.rstrip("?"): reader for name, reader in named.items()}, needed
    )


def _grammar() -> Iterator[tuple[str, tuple[_Kinds, dict[str, _Kinds]]]]:
    for line in _COMMANDS.replace("\n   ", "").strip().splitlines():
        arguments, *replies = line.split("|")
        command, kinds = _kinds(f"{arguments} list?:word")
        yield command, (kinds, dict(_kinds(reply) for reply in replies))


_GRAMMAR = dict(_grammar())
_STATE_KINDS = _kinds(_OF_A_STATE)[1]
