"""Which events of a push go in one command. Pure."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from forwarder.producer.encoding import Outgoing
from forwarder.queue.sharding import shard_of

#: At most this many events and bytes go in one command, because Redis serves nobody else while it runs.
_MOST_EVENTS = 1_000
_MOST_BYTES = 4 * 1024 * 1024


class Portion(NamedTuple):
    """Events of one list that go in one command. They are pushed in this order, without others in between.

    Attributes:
        shard: which list.
        offset: how many events of the same push go in earlier commands to this list.
        events: in order.
    """

    shard: int
    offset: int
    events: Sequence[Outgoing]

    @property
    def elements(self) -> list[bytes]:
        return [event.element for event in self.events]


def round_trips(events: Sequence[Outgoing], shards: int) -> Iterator[list[Portion]]:
    """Round trips that each carry one portion of every list that still has events to come."""
    lists: dict[int, list[Outgoing]] = {}
    for event in events:
        lists.setdefault(shard_of(event.user, shards), []).append(event)
    for portions in zip_longest(*(_portions(shard, each) for shard, each in lists.items())):
        yield [portion for portion in portions if portion is not None]


def _portions(shard: int, events: Sequence[Outgoing]) -> Iterator[Portion]:
    start = size = 0
    for end, event in enumerate(events):
        size += len(event.element)
        if end > start and (end - start == _MOST_EVENTS or size > _MOST_BYTES):
            yield Portion(shard, start, events[start:end])
            start, size = end, len(event.element)
    yield Portion(shard, start, events[start:])
