"""Reads the dead letters for the page: the groups of all, the latest ones, and an example of each large group.

Only what has changed is read, and each time a bounded part: a list with a million letters is counted bit by bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from forwarder.dead_letters import letter as words
from forwarder.dead_letters.anomalies import Label, named, unnamed
from forwarder.dead_letters.groups import Group, by_name, without_names, word
from forwarder.dead_letters.letter import id_in_list, order, with_shard
from forwarder.queue.census import Census
from forwarder.queue.groups import Groups
from forwarder.queue.letters import DeadLetter
from forwarder.queue.queue import Queue

#: This many of the latest letters are shown.
SHOWN = 20
#: Letters are read until their elements have this many bytes.
_BYTES = 2_000_000
#: At most this many bytes of an element are read: as many as an event may have by default.
READ_BYTES = 65_536
#: An example is shown and explained for this many of the largest groups.
_EXAMPLES = 10
#: Of all examples together, this many bytes are explained. An absurd element takes a millisecond per kilobyte, and no
#: event is sent meanwhile.
EXPLAINED_BYTES = 65_536
#: Letters are counted in at most this many calls before something is shown, each of at most 100 letters, and in at most
#: this many lists. Example: 100,000 new letters are counted within 20 s, and take a tenth of Redis' time meanwhile.
_CALLS = 100
_UNEXPLAINED = "`forwarder dead show {id}` explains what is probably wrong."

#: What changes whenever a letter of a list comes or goes.
_Counts = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Example:
    """One letter of a group, and what is probably wrong with it."""

    id: str
    explanation: str


@dataclass(frozen=True)
class Latest:
    """The dead letters of all lists.

    Attributes:
        letters: the latest, newest first.
        lists: the groups of each list, by shard.
        counts: of the letters of each list when its groups were read; None if they were never read.
        examples: by the ID of the group.
    """

    letters: tuple[DeadLetter, ...] = ()
    lists: tuple[Groups, ...] = ()
    counts: tuple[_Counts | None, ...] = ()
    examples: Mapping[str, Example] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether every letter is counted."""
        return all(each.exact for each in self.lists)

    @cached_property
    def by_name(self) -> list[Group]:
        """The groups by reason, status and event name, the largest first."""
        return by_name(self.lists)

    @cached_property
    def without_names(self) -> list[Group]:
        """The groups by reason and status, the largest first."""
        return without_names(self.by_name)


async def read(queue: Queue, censuses: Sequence[Census], before: Latest) -> Latest:
    """Reads what has changed since `before`. Raises UnreachableError."""
    lists, counts = await _groups(queue, censuses, before)
    found = Latest(await _latest(queue, censuses), lists, counts)
    examples: dict[str, Example] = {}
    left = EXPLAINED_BYTES
    for groups, label in ((found.without_names, unnamed), (found.by_name, named)):
        for group in groups[:_EXAMPLES]:
            known = before.examples.get(group.id)
            if known is None or known.id != group.last:
                letter = await _example(queue, group)
                left -= len(letter.element) if letter else 0
                known = explained(letter, label, enough=left < 0) if letter else known
            if known is not None:
                examples[group.id] = known
    return Latest(found.letters, lists, counts, examples)


async def _groups(
    queue: Queue, censuses: Sequence[Census], before: Latest
) -> tuple[tuple[Groups, ...], tuple[_Counts | None, ...]]:
    shards = len(queue.lists)
    lists = list(before.lists) if len(before.lists) == shards else [Groups()] * shards
    counts: list[_Counts | None] = list(before.counts) if len(before.counts) == shards else [None] * shards
    now = [_counts(census) for census in censuses]
    for shard in range(shards):
        if not now[shard][0]:
            lists[shard], counts[shard] = Groups(), now[shard]
    behind = [shard for shard in range(shards) if counts[shard] != now[shard] or not lists[shard].exact]
    behind.sort(key=lambda shard: counts[shard] is not None)
    for shard in behind[:_CALLS]:
        calls = max(1, _CALLS // len(behind))
        lists[shard] = await queue.lists[shard].letters.groups(calls=calls)
        counts[shard] = now[shard]
    for shard in behind[_CALLS:]:
        lists[shard] = Groups(lists[shard].groups, exact=False)
    return tuple(lists), tuple(counts)


def _counts(census: Census) -> _Counts:
    return (census.letters, census.dead_lettered, census.replayed, census.deleted)


async def _latest(queue: Queue, censuses: Sequence[Census]) -> tuple[DeadLetter, ...]:
    shards = len(queue.lists)
    found: list[DeadLetter] = []
    for each in (one for one, census in zip(queue.lists, censuses, strict=True) if census.letters):
        latest = await each.letters.bounded("-", "+", SHOWN, newest=True, most_bytes=_BYTES // shards, cut=READ_BYTES)
        found = sorted(
            [*found, *(with_shard(letter, shards) for letter in latest)], key=lambda each: order(each.id), reverse=True
        )[:SHOWN]
    return tuple(found)


async def _example(queue: Queue, group: Group) -> DeadLetter | None:
    """The latest letter of a group; None if it was replayed or deleted."""
    shard, slash, _ = group.last.partition("/")
    at = id_in_list(group.last)
    letters = queue.lists[int(shard) if slash else 0].letters
    found = await letters.bounded(at, at, 1, most_bytes=1, cut=READ_BYTES)
    return with_shard(found[0], len(queue.lists)) if found else None


def explained(letter: DeadLetter, label: Label, *, enough: bool) -> Example:
    """What is probably wrong with a letter; with `enough`, which command says it."""
    if enough:
        return Example(letter.id, _UNEXPLAINED.format(id=letter.id))
    return Example(letter.id, words.explained(replace(letter, status=word(letter.status)), label))
