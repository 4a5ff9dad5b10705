"""What the numbers of a model stand for on a real Redis. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from tests.model.trace import Field, Value


@dataclass(slots=True)
class Names:
    """The stamps and tokens of one schedule. A model uses a number again when nothing refers to it any more.

    Attributes:
        stamps: real ones, by the model's.
        tokens: real ones of each list, by the list and the model's.
        may_repeat: whether two executions of a claim may have the same stamp. That is wrong unless it is broken.
    """

    stamps: dict[int, int] = field(default_factory=dict)
    tokens: dict[tuple[str, int], str] = field(default_factory=dict)
    may_repeat: bool = False
    _spent: set[int] = field(default_factory=set)

    def learn(self, stamp: int, real: int) -> None:
        """Learns the stamp of a claim that was executed.

        Raises:
            ValueError: an earlier execution had the same stamp.
        """
        if real in self._spent and not self.may_repeat:
            raise ValueError(f"two claims of the schedule have the stamp {real}")
        self._spent.add(real)
        self.stamps[stamp] = real

    def stamp(self, real: int) -> int:
        """The model's stamp; 0 for an unknown one."""
        return next((stamp for stamp, known in self.stamps.items() if known == real), 0)

    def token(self, list_name: str, real: bytes | None) -> int:
        """The model's token; 0 for none, -1 for an unknown one."""
        known = (token for (of, token), text in self.tokens.items() if of == list_name and text.encode() == real)
        return 0 if real is None else next(known, -1)

    def field(self, name: bytes) -> Field:
        """The field of a claimed event."""
        number, _, stamp = name.partition(b"-")
        return int(number), self.stamp(int(stamp))


def element(event: int) -> bytes:
    """What is pushed for an event."""
    return b"event %d" % event


def event_of(found: bytes) -> int:
    """The event whose element this is.

    Raises:
        ValueError: it is the element of none.
    """
    return int(found.removeprefix(b"event "))


def letter_event(fields: Sequence[bytes]) -> int:
    """The event of a dead letter, from the fields of its entry."""
    return event_of(fields[fields.index(b"element") + 1])


def item_events(item: bytes) -> tuple[int, ...]:
    """The event of an item of a page; none in an item that holds counts."""
    kind, rest = item[:1], item[1:].partition(b" ")[2]
    if kind == b"l":
        _, fields = msgspec.msgpack.decode(rest, type=tuple[str, list[str]])
        return (letter_event([each.encode() for each in fields]),)
    return (event_of(rest),) if kind == b"e" else ()


def in_page(items: Sequence[bytes]) -> Mapping[str, Value]:
    """What a page holds."""
    kind = items[0][:1] if items else b""
    events = tuple(event for item in items for event in item_events(item))
    return {
        "events": events if kind == b"e" else (),
        "letters": events if kind == b"l" else (),
        "counts": tuple(map(int, items[0][1:].split())) if kind == b"c" else (),
    }
