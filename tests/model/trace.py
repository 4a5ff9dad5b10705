"""Reads what the models print: one line for each command that Redis executes, typed and checked. Pure.

``> w1 claim token=1 expected=0 most=2 | claimed before=0 stamp=1 events=1,2 waiting=0`` is a command of an actor and
Redis' reply to it. A line ``# reply lost`` after it: the actor has not received the reply. A command of the actor
``late`` is an old copy, which Redis executes when its sender has gone on: nobody receives its reply. A line
``= list=a waiting=3 …`` is the state of a list after the command. A line ``# walk`` begins the next schedule. Every
other line that begins with ``#`` is for people. Any other line is an error.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

#: The sequence number and the stamp of a claimed event.
Field = tuple[int, int]
Value = int | str | tuple[int, ...] | tuple[Field, ...]
Values = Mapping[str, Value]

LATE = "late"
#: What a line about a list that it does not name is about.
THE_LIST = "a"
_LOST, _WALK = "# reply lost", "# walk"
_STEP = re.compile(r"> (\w+) (\w+)((?: \w+=\S+)*)(?: \|(?: (\w+)(?!=))?((?: \w+=\S+)*))?")
_STATE = re.compile(r"=((?: \w+=\S+)+)")

#: Each command with its arguments, and its replies with what they carry. A command may also name its list.
_COMMANDS = """
acquire token:number | acquired sequence:number settlement:number claimed:number | busy
scan | fields:fields events:numbers
claim token:number expected:number most:number | claimed before:number stamp:number events:numbers waiting:number
      | again sequence:number | lost | rolled_back
settle token:number number:number accepted:fields letters:fields | settled | lost | rolled_back
renew token:number | renewed | lost
release token:number | released | lost
push event:number | pushed
replay event:number | pushed | gone | moving
delete event:number | deleted | gone | moving
expire |
replicate |
failover |
"""
_OF_A_STATE = (
    "waiting:numbers fields:fields events:numbers sequence:number settlement:number accepted:number "
    "dead_lettered:number replayed:number deleted:number letters:set holder:number"
)


class TraceError(ValueError):
    """A line that is not one of a trace."""


@dataclass(frozen=True, slots=True)
class State:
    """What is in a list, as far as the model says it."""

    list_name: str
    values: Values


@dataclass(slots=True)
class Step:
    """One command that Redis executes.

    Attributes:
        reply: its first word; empty for a command that only reads.
        is_received: whether the actor has received the reply.
        states: of lists, after the command.
    """

    line: int
    actor: str
    command: str
    list_name: str
    arguments: Values
    reply: str
    values: Values
    is_received: bool = True
    states: list[State] = field(default_factory=list)


@dataclass(slots=True)
class Schedule:
    """One run of a model from its first state, and all its lines."""

    steps: list[Step] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


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
            schedule.steps[-1].states.append(_state(text))
        elif text == _LOST:
            schedule.steps[-1].is_received = False
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
    given = _values(arguments, expected | {"list": "word"}, optional={"list"})
    name = str(given.pop("list", THE_LIST))
    return Step(line, actor, command, name, given, reply, _values(values, replies[reply]), actor != LATE)


def _state(text: str) -> State:
    found = _STATE.fullmatch(text)
    if found is None:
        raise ValueError("it does not have the form `= name=value`")
    values = _values(found[1], _STATE_KINDS, optional=_STATE_KINDS)
    return State(str(values.pop("list", THE_LIST)), values)


def _values(text: str, kinds: Mapping[str, str], *, optional: Iterable[str] = ()) -> dict[str, Value]:
    pairs = [each.split("=") for each in text.split()]
    values = {name: _READ[kinds[name]](value) for name, value in pairs}
    if len(values) < len(pairs):
        raise ValueError("a name is there twice")
    if missing := kinds.keys() - values.keys() - set(optional):
        raise ValueError(f"{', '.join(sorted(missing))} missing")
    return values


def _number(text: str) -> int:
    if re.fullmatch("[0-9]+", text) is None:
        raise ValueError(f"{text} is not a whole number")
    return int(text)


def _numbers(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(_number(each) for each in text.split(","))


def _set(text: str) -> tuple[int, ...]:
    return tuple(sorted(_numbers(text)))


def _fields(text: str) -> tuple[Field, ...]:
    pairs = [] if text == "-" else [each.split("-") for each in text.split(",")]
    return tuple((_number(number), _number(stamp)) for number, stamp in pairs)


_READ: dict[str, Callable[[str], Value]] = {
    "number": _number,
    "numbers": _numbers,
    "set": _set,
    "fields": _fields,
    "word": str,
}


def _kinds(text: str) -> tuple[str, dict[str, str]]:
    """The word in front, if there is one, and the kind of each name."""
    parts = [each.partition(":") for each in text.split()]
    return "".join(word for word, colon, _ in parts if not colon), {name: kind for name, colon, kind in parts if colon}


def _grammar() -> Iterator[tuple[str, tuple[dict[str, str], dict[str, dict[str, str]]]]]:
    for line in _COMMANDS.replace("\n   ", "").strip().splitlines():
        (command, arguments), *replies = [_kinds(part) for part in line.split("|")]
        yield command, (arguments, dict(replies))


_GRAMMAR = dict(_grammar())
_STATE_KINDS = _kinds(_OF_A_STATE)[1] | {"list": "word"}
