"""The outcome of a command that is sent once: Redis' reply, a refusal, or no reply. Pure."""

from dataclasses import dataclass
from typing import Any

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
