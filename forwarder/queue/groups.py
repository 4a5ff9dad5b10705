"""The dead letters of one list, counted by reason, status and event name. Redis keeps the counts, and they catch up.

Nothing is counted when an event becomes a dead letter. A process that shows the groups counts the letters that have
come since. Each letter is counted once, by any process, and the scripts that replay or delete it take it out again.
"""

import re
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Any

from redis.asyncio import Redis

from forwarder.queue.keys import Keys
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import translated

#: Letters that one call of the script counts, and bytes of elements after which it stops. Redis does nothing else
#: meanwhile. Example: 100 letters of 300 bytes take 1.8 ms, five of 60 kB take 2.8 ms.
_LETTERS, _BYTES = 100, 262_144
#: After this many groups of a list, new names share one. With many lists each has fewer groups, so that a process that
#: shows them holds a bounded number: 1,000 each of 16 lists, 20 each of 1,000.
_MOST_GROUPS, _GROUPS_OF_A_QUEUE, _FEWEST_GROUPS = 1_000, 16_000, 20
#: Seconds for which Redis keeps the groups after somebody last looked at them.
_KEPT = 7 * 24 * 3_600

#: Ends the detail of a letter if it is known that events of its user with other names were accepted, so that not
#: everything of this user is refused. `group.lua` has the same text.
OTHERS_ACCEPTED = "; events of this user with other names were accepted"

_ROW = re.compile(rb"(\d{1,14}) (\d{1,14}) (\d{1,20}-\d{1,20}) (\d{1,20}-\d{1,20})")


class Names(Enum):
    """The names of a group that has not exactly one."""

    NONE = "none"  #: the letters have no readable name, such as those of invalid elements
    OTHERS = "others"  #: there are too many names for each to have a group


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Dead letters of one list with the same reason, status and event name.

    Attributes:
        name: cut to 200 bytes, and then it ends with an ellipsis.
        count: how many letters.
        others_accepted: of how many it is known that events of their users with other names were accepted.
        first, last: the IDs of the first and of the last one. Either may have been replayed or deleted since.
    """

    reason: str
    status: str
    name: str | Names
    count: int
    others_accepted: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one list. `exact`: every letter is counted once. Otherwise counts may be too low or too high."""

    groups: tuple[LetterGroup, ...] = ()
    exact: bool = True

    @property
    def by_reason(self) -> Counter[str]:
        """How many letters have each reason."""
        found: Counter[str] = Counter()
        for group in self.groups:
            found[group.reason] += group.count
        return found


async def count(redis: Redis, keys: Keys) -> Groups | int:
    """Counts the next letters. Returns the groups when every letter is counted, before that how many it counted.

    If Redis refuses writes, it returns the groups as they are.
    """
    most_groups = min(_MOST_GROUPS, max(_FEWEST_GROUPS, _GROUPS_OF_A_QUEUE // keys.of))
    arguments: list[str | bytes | int] = [_LETTERS, _BYTES, most_groups, _KEPT * 1_000]
    verdict, *found = await scripts.run(redis, "count_letters", [keys.dead, keys.dead_groups], arguments)
    match verdict:
        case b"counted":
            return Groups(_read(dict(zip(found[::2], found[1::2], strict=True))))
        case b"behind":
            return int(found[0])
    return await read(redis, keys)


async def read(redis: Redis, keys: Keys) -> Groups:
    """The groups as they are: letters that came since somebody looked are missing."""
    with translated():
        found: Any = await redis.hgetall(keys.dead_groups)
    return Groups(_read(found), exact=False)


def _read(rows: dict[bytes, bytes]) -> tuple[LetterGroup, ...]:
    read = (_group(field, text) for field, text in rows.items())
    return tuple(group for group in read if group is not None)


def _group(field: bytes, text: bytes) -> LetterGroup | None:
    row, parts = _ROW.fullmatch(text), field.decode(errors="replace").split(" ", 2)
    if row is None or len(parts) != 3:
        return None
    reason, status, name = parts
    count, others, first, last = row.groups()
    return LetterGroup(reason, status, _name(name), int(count), int(others), first.decode(), last.decode())


def _name(text: str) -> str | Names:
    return text[1:] if text.startswith("=") else Names.OTHERS if text == "*" else Names.NONE
