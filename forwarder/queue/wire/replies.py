"""The outcome of a command that is sent once: Redis' reply, a refusal, or no reply. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from forwarder.errors import WrongTypeError

Command = tuple[str | bytes | int, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The command was certainly not executed.

    Attributes:
        why: what Redis said.
        full: Redis has no memory left.
        elsewhere: another node of the cluster serves the key, or will serve it.
        ask: the address of that node, if only this command is to be sent there.
    """

    why: str
    full: bool = False
    elsewhere: bool = False
    ask: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """There was no reply. The command may have been executed."""

    why: str


#: A refusal, a lost reply, or what Redis replied.
Reply = Any


def wrong_type(named: Sequence[Any]) -> WrongTypeError:
    """The error that a script's reply ``wrongtype`` stands for: the key, what was found there, what is expected."""
    key, found, expected = (text.decode(errors="replace") for text in named)
    return WrongTypeError(key, found, expected)
