"""The outcome of a command that is sent once: Redis' reply, a refusal, or no reply. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from forwarder.errors import WrongTypeError

Command = tuple[str | bytes | int, ...]


class RefusalKind(StrEnum):
    """What would help against a refusal.

    Attributes:
        PASSING: time. Redis cannot be reached, restarts, fails over, or is busy.
        ELSEWHERE: another node of the cluster serves the key, or will serve it.
        FULL: Redis has no memory left.
        DENIED: the user has no right to the command or to a key, or this Redis does not have the command.
        UNKNOWN_SCRIPT: Redis does not have the script of this hash.
        OTHER: something else.
    """

    PASSING = "passing"
    ELSEWHERE = "elsewhere"
    FULL = "full"
    DENIED = "denied"
    UNKNOWN_SCRIPT = "unknown script"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The command was certainly not executed.

    Attributes:
        why: what Redis said.
        kind: what would help.
        ask: the address of the node that this command alone is to be sent to.
    """

    why: str
    kind: RefusalKind = RefusalKind.OTHER
    ask: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """There was no reply. The command may have been executed."""

    why: str


#: A refusal, a lost reply, or what Redis replied.
Reply = Any

_PASSING = {RefusalKind.PASSING, RefusalKind.ELSEWHERE}


def passing(reply: Reply) -> bool:
    """Whether the same command may succeed in a moment. If its reply was lost, it may have succeeded already."""
    return isinstance(reply, Lost) or (isinstance(reply, Refusal) and reply.kind in _PASSING)


def wrong_type(named: Sequence[Any]) -> WrongTypeError:
    """The error that a script's reply ``wrongtype`` stands for: the key, what was found there, what is expected."""
    key, found, expected = (text.decode(errors="replace") for text in named)
    return WrongTypeError(key, found, expected)
