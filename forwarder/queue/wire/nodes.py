"""Which command goes to which node of a cluster, and where it goes when a node redirects it. Pure.

A node that does not serve a slot refuses the command (``MOVED``, ``ASK``). The command was certainly not executed,
and may be sent to the node that serves the slot. A command without a key goes to every node, and the worst reply
counts: for example, the smallest number of replicas that have acknowledged.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from forwarder.queue.wire.replies import Command, Lost, Refusal, RefusalKind, Reply

#: Redirections that are followed. There are more only while the nodes disagree about the slots.
_REDIRECTIONS = 5

N = TypeVar("N")


@dataclass(slots=True)
class Part:
    """The commands for one node, and their positions among all commands."""

    positions: list[int] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    def add(self, position: int, command: Command, *, asking: bool) -> None:
        """Adds a command. With `asking`, the node accepts it although the slot has not been moved to it yet."""
        if asking:
            self.positions.append(-1)
            self.commands.append(("ASKING",))
        self.positions.append(position)
        self.commands.append(command)


class Trips(Generic[N]):
    """The round trips that some commands need.

    Args:
        commands: each with the keys of one list, or with none. A command without a key goes to every node that gets
            another one.
        serving: returns the node that serves a key; None if there is none.
        at: returns the node at an address; None if it is not known.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        serving: Callable[[str | bytes | int], N | None],
        at: Callable[[str, int], N | None],
    ) -> None:
        self._commands = commands
        self._serving = serving
        self._at = at
        self._replies: list[Reply] = [None] * len(commands)
        self._keyless: dict[int, list[Reply]] = {n: [] for n, each in enumerate(commands) if _key(each) is None}
        self._todo = [position for position in range(len(commands)) if position not in self._keyless]

    def run(self) -> Generator[dict[N, Part], dict[N, list[Reply]], list[Reply]]:
        """Yields the commands for each node, receives their replies, and returns one reply for each command."""
        for _ in range(_REDIRECTIONS):
            parts = self._parts()
            if not parts:
                break
            self._record(parts, (yield parts))
            self._todo = [position for position in self._todo if self._refusal(position).kind is RefusalKind.ELSEWHERE]
        for position, replies in self._keyless.items():
            self._replies[position] = _least(replies)
        return self._replies

    def _refusal(self, position: int) -> Refusal:
        """The refusal of a command; an empty one if it was not refused."""
        reply = self._replies[position]
        return reply if isinstance(reply, Refusal) else Refusal("")

    def _parts(self) -> dict[N, Part]:
        parts: dict[N, Part] = {}
        for position in self._todo:
            ask = self._refusal(position).ask
            once = self._at(*ask) if ask else None
            node = once or self._serving(_key(self._commands[position]) or b"")
            if node is None:
                self._replies[position] = Refusal("no node of the cluster serves this list", RefusalKind.PASSING)
            else:
                parts.setdefault(node, Part()).add(position, self._commands[position], asking=once is not None)
        for part in parts.values():
            for position in self._keyless:
                part.add(position, self._commands[position], asking=False)
        return parts

    def _record(self, parts: Mapping[N, Part], replied: Mapping[N, Sequence[Reply]]) -> None:
        for node, part in parts.items():
            for position, reply in zip(part.positions, replied[node], strict=True):
                if position in self._keyless:
                    self._keyless[position].append(reply)
                elif position >= 0:
                    self._replies[position] = reply


def _key(command: Command) -> str | bytes | int | None:
    match command:
        case ("WAIT" | "WAITAOF", *_):
            return None
        case ("EVAL" | "EVALSHA", _, int(), key, *_):
            return key
    return command[1]


def _least(replies: Sequence[Reply]) -> Reply:
    """What holds for all nodes: the worst error, or else the smallest number or list of numbers."""
    for kind in (Lost, Refusal):
        for reply in replies:
            if isinstance(reply, kind):
                return reply
    least: Any = min(replies, default=None)
    return least
