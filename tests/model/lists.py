"""The lists of one schedule on a real Redis: the commands that read and copy them, and what they hold."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis as blocking

from forwarder.queue.keys import Keys, Side
from forwarder.queue.wire.replies import Command
from tests.model.names import Names, element, event_of
from tests.model.trace import Values
from tests.model.wire import checked

#: Milliseconds that a lease lasts after it was read. A command that extends it makes it last longer.
AGED = 300_000

#: KEYS of one list; ARGV AGED. Reads everything, and makes the lease end sooner, so that the next command that extends
#: it is noticed.
_READ = """
local function get(key) return redis.call('GET', key) or '0' end
local left = redis.call('PTTL', KEYS[3])
if left > tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[3], ARGV[1]) end
return {redis.call('LRANGE', KEYS[1], 0, -1), redis.call('HGETALL', KEYS[2]), redis.call('GET', KEYS[3]), left,
  {get(KEYS[4]), get(KEYS[5]), get(KEYS[6]), get(KEYS[7]), get(KEYS[8]), get(KEYS[9])},
  redis.call('XRANGE', KEYS[10], '-', '+')}
"""
#: KEYS from, to, from, to, ... Makes each `to` equal to its `from`, or absent.
_COPY = """
for i = 1, #KEYS, 2 do
  if redis.call('COPY', KEYS[i], KEYS[i + 1], 'REPLACE') == 0 then redis.call('DEL', KEYS[i + 1]) end
end
return 1
"""
_COUNTS = ("sequence", "settlement", "accepted", "dead_lettered", "replayed", "deleted")
_EVERY = (*_COUNTS, "list", "claimed", "lease", "dead", "dead_groups", "allowance", "aside", "stage", "move", "moved")


@dataclass(frozen=True, slots=True)
class Digests:
    """The scripts that only the replay needs."""

    read: str
    copy: str

    @classmethod
    def load(cls, redis: blocking.Redis) -> "Digests":
        """Makes them known to a Redis."""
        return cls(str(redis.script_load(_READ)), str(redis.script_load(_COPY)))


@dataclass(frozen=True, slots=True)
class Content:
    """What one list holds, in the words of the model.

    Attributes:
        values: as in the line of a state.
        left: milliseconds that the lease lasts.
        letter_ids: of the oldest letter of each event.
    """

    values: Values
    left: int
    letter_ids: Mapping[int, str]


class Lists:
    """The lists of one schedule, and their copies on the replica: other keys of the same Redis."""

    def __init__(self, digests: Digests, prefix: str, names: Iterable[str], side: Side) -> None:
        self.side: Side = side
        self.keys = {name: Keys(f"{prefix}-{name}") for name in names}
        self._digests = digests
        self._master = [getattr(keys, key) for keys in self.keys.values() for key in _EVERY]
        self._replica = [f"{key}-replica" for key in self._master]

    def read(self) -> Sequence[Command]:
        """Reads all lists."""
        return [("EVALSHA", self._digests.read, 10, *keys.of_the_list, AGED) for keys in self.keys.values()]

    def push(self, name: str, event: int) -> Command:
        """Pushes an event as the newest one."""
        return ("RPUSH" if self.side == "left" else "LPUSH", self.keys[name].list, element(event))

    def expire(self, name: str) -> Command:
        """Ends the lease, as its time does."""
        return ("DEL", self.keys[name].lease)

    def replicate(self) -> Command:
        """The replica learns everything."""
        return self._copy(self._master, self._replica)

    def failover(self) -> Command:
        """The replica becomes the master."""
        return self._copy(self._replica, self._master)

    def _copy(self, source: Sequence[str], target: Sequence[str]) -> Command:
        pairs = [key for pair in zip(source, target, strict=True) for key in pair]
        return ("EVALSHA", self._digests.copy, len(pairs), *pairs)

    def delete(self) -> Command:
        """Deletes everything."""
        return ("DEL", *self._master, *self._replica)

    def contents(self, replies: Sequence[Any], names: Names) -> dict[str, Content]:
        """What :meth:`read` has read."""
        return {name: self._content(checked(reply), names) for name, reply in zip(self.keys, replies, strict=True)}

    def _content(self, reply: Sequence[Any], names: Names) -> Content:
        waiting, claimed, holder, left, counts, letters = reply
        pairs = zip(claimed[::2], claimed[1::2], strict=True)
        fields = sorted((*names.field(name), event_of(found)) for name, found in pairs)
        events = [event_of(fields[fields.index(b"element") + 1]) for _, fields in letters]
        ids = [letter_id.decode() for letter_id, _ in letters]
        return Content(
            {
                "waiting": tuple(event_of(found) for found in (waiting if self.side == "left" else reversed(waiting))),
                "fields": tuple((number, stamp) for number, stamp, _ in fields),
                "events": tuple(event for _, _, event in fields),
                **{name: int(count) for name, count in zip(_COUNTS, counts, strict=True)},
                "letters": tuple(sorted(events)),
                "holder": names.token(holder),
            },
            left,
            dict(zip(reversed(events), reversed(ids), strict=True)),
        )
