"""The lists of one schedule on a real Redis: the commands that read and copy them, and what they hold."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import redis as blocking

from forwarder.queue.keys import Keys, QueueKeys, Side
from forwarder.queue.wire.replies import Command
from tests.model.names import Names, element, event_of, item_events, letter_event
from tests.model.trace import Step, Value, Values
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
  redis.call('XRANGE', KEYS[10], '-', '+'),
  redis.call('LRANGE', KEYS[11], 0, -1), redis.call('LRANGE', KEYS[12], 0, -1),
  redis.call('HGET', KEYS[13], 'page'), redis.call('HGETALL', KEYS[14])}
"""
#: KEYS from, to, from, to, ... Makes each `to` equal to its `from`, or absent.
_COPY = """
for i = 1, #KEYS, 2 do
  if redis.call('COPY', KEYS[i], KEYS[i + 1], 'REPLACE') == 0 then redis.call('DEL', KEYS[i + 1]) end
end
return 1
"""
#: No letter has this ID.
_NO_ID = "0-1"
#: The stamp of an event that is claimed at first is this and the model's.
_FIRST_STAMP = 1_500_000_000_000_000
_FIRST_LEASE = 2 * AGED
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


class Content:
    """What one list holds. It is put into the words of the model only if somebody asks."""

    def __init__(self, lists: "Lists", name: str, reply: Sequence[Any], names: Names) -> None:
        self._lists = lists
        self._name = name
        self._reply = reply
        self._names = names

    @property
    def left(self) -> int:
        """Milliseconds that the lease lasts."""
        return cast("int", self._reply[3])

    @cached_property
    def letters(self) -> Sequence[tuple[str, int]]:
        """The ID and the event of each letter, oldest first."""
        return [(letter_id.decode(), letter_event(fields)) for letter_id, fields in self._reply[5]]

    def letter_of(self, event: int) -> str:
        """The ID of the oldest letter of an event; if there is none, an ID that no letter has."""
        return next((letter_id for letter_id, its in self.letters if its == event), _NO_ID)

    @cached_property
    def values(self) -> Mapping[str, Value]:
        """As in the line of a state."""
        waiting, claimed, holder, _, counts, _, aside, stage, page, moved = self._reply
        pairs = zip(claimed[::2], claimed[1::2], strict=True)
        fields = sorted((*self._names.field(field), event_of(found)) for field, found in pairs)
        last = dict(zip(moved[::2], map(int, moved[1::2]), strict=True))
        return {
            "waiting": self._oldest_first(waiting),
            "fields": tuple((number, stamp) for number, stamp, _ in fields),
            "events": tuple(event for _, _, event in fields),
            **{name: int(count) for name, count in zip(_COUNTS, counts, strict=True)},
            "letters": tuple(sorted(event for _, event in self.letters)),
            "holder": self._names.token(self._name, holder),
            "aside": self._oldest_first(aside),
            "stage": tuple(event for item in stage for event in item_events(item)),
            "page": () if page is None else (int(page),),
            "moved": tuple(last.get(keys.list.encode(), 0) for keys in self._lists.keys.values()),
        }

    def _oldest_first(self, elements: Sequence[bytes]) -> tuple[int, ...]:
        return tuple(map(event_of, elements if self._lists.side == "left" else reversed(elements)))


class Lists:
    """The lists of one schedule, and their copies on the replica: other keys of the same Redis."""

    def __init__(self, digests: Digests, prefix: str, names: Iterable[str], side: Side) -> None:
        self.side: Side = side
        self.keys = {name: Keys(f"{prefix}-{name}") for name in names}
        self._digests = digests
        #: Of all lists of the queue.
        self.queue = QueueKeys(prefix)
        #: Reads all lists.
        self.read: Sequence[Command] = [
            ("EVALSHA", digests.read, 14, *keys.of_the_list, keys.aside, keys.stage, keys.move, keys.moved, AGED)
            for keys in self.keys.values()
        ]

    def set_up(self, state: Values, names: Names) -> Iterator[Command]:
        """Puts into a list what is there at first."""
        keys = self.keys[state.word("list")]
        for event in state.numbers("waiting"):
            yield self.push(state.word("list"), event)
        for (number, stamp), event in zip(state.fields("fields"), state.numbers("events"), strict=True):
            names.stamps[stamp] = _FIRST_STAMP + stamp
            yield ("HSET", keys.claimed, f"{number}-{names.stamps[stamp]}", element(event))
        for event in state.numbers("letters"):
            yield ("XADD", keys.dead, "*", "element", element(event), "reason", "rejected")
        for name in _COUNTS:
            if state.number(name):
                yield ("SET", getattr(keys, name), state.number(name))
        if token := state.number("holder"):
            yield ("SET", keys.lease, names.tokens[state.word("list"), token], "PX", _FIRST_LEASE)

    def push(self, name: str, event: int) -> Command:
        """Pushes an event as the newest one."""
        return ("RPUSH" if self.side == "left" else "LPUSH", self.keys[name].list, element(event))

    def command(self, step: Step) -> Command:
        """The command of a step that runs none of our scripts."""
        match step.command:
            case "push":
                return self.push(step.list_name, step.arguments.number("event"))
            case "expire":
                return ("DEL", self.keys[step.list_name].lease)
            case "replicate":
                return self.replicate(step.list_name)
            case "failover":
                return self._copy(self._of_replica(step.list_name), self._of(step.list_name))
        assert step.command == "forget"
        return ("DEL", self.queue.workers)

    def replicate(self, name: str) -> Command:
        """The replica learns everything about a list."""
        return self._copy(self._of(name), self._of_replica(name))

    def _of(self, name: str) -> list[str]:
        return [getattr(self.keys[name], key) for key in _EVERY]

    def _of_replica(self, name: str) -> list[str]:
        return [f"{key}-replica" for key in self._of(name)]

    def _copy(self, source: Sequence[str], target: Sequence[str]) -> Command:
        pairs = [key for pair in zip(source, target, strict=True) for key in pair]
        return ("EVALSHA", self._digests.copy, len(pairs), *pairs)

    def delete(self) -> Command:
        """Deletes everything."""
        lists = [key for name in self.keys for key in (*self._of(name), *self._of_replica(name))]
        return ("DEL", *lists, self.queue.workers, self.queue.about, self.queue.shards)

    def contents(self, replies: Sequence[Any], names: Names) -> dict[str, Content]:
        """What `read` has read."""
        return {
            name: Content(self, name, checked(reply), names) for name, reply in zip(self.keys, replies, strict=True)
        }
