"""The backlogs: the same bytes for everyone, and the fewest POSTs that could carry them."""

import gzip
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files

from forwarder.api.request import BATCH_OVERHEAD, encode_batch

#: Bytes that every POST adds to its events, each event taken with one comma.
POST_OVERHEAD = BATCH_OVERHEAD - 1
_SEED = 20160911
#: The backlogs in which the contestants are compared.
COMPARED = ("zipf", "shop", "strangers")
#: Some contestants decode and encode again, and then 9.50 becomes 9.5; the sink compares bytes.
_IDLE_ZEROS = re.compile(rb"\.(\d*?)0+(?=[,}])")


@dataclass(frozen=True)
class Work:
    """A backlog. `events` are users with the JSON object that is to be sent, in the order of the list."""

    name: str
    title: str
    events: list[tuple[str, bytes]]
    most: int = 100

    @property
    def users(self) -> list[str]:
        """Whose events, in the order of the list."""
        return [user for user, _ in self.events]

    @cached_property
    def elements(self) -> list[bytes]:
        """What is in the list."""
        return [b'{"user_id":"%b",%b' % (user.encode(), body[1:]) for user, body in self.events]

    @cached_property
    def payload(self) -> int:
        """The bytes of all POSTs less POST_OVERHEAD for each, however the events are grouped."""
        return sum(len(body) + 1 for _, body in self.events)

    @cached_property
    def posts(self) -> list[tuple[str, bytes]]:
        """The fewest POSTs that can carry it all: users with bodies, in the order in which the groups fill."""
        groups: dict[str, list[bytes]] = {}
        full: list[tuple[str, bytes]] = []
        for user, body in self.events:
            group = groups.setdefault(user, [])
            group.append(body)
            if len(group) == self.most:
                full.append((user, encode_batch(groups.pop(user))))
        return full + [(user, encode_batch(group)) for user, group in groups.items()]

    def first(self, count: int) -> "Work":
        """The oldest `count` events of it."""
        return self if count >= len(self.events) else Work(self.name, self.title, self.events[:count], self.most)


def numbered(users: Iterable[str]) -> list[tuple[str, bytes]]:
    """An event for each of these users, in this order; no two are equal."""
    form = b'{"name":"purchase","date":"2016-09-11T18:04:23Z","vars":{"cds":2,"dollars":29.33},"n":%d}'
    return [(user, form % number) for number, user in enumerate(users)]


def zipf(events: int, users: int = 10_000) -> Work:
    """Work (a): few users have much, many have little."""
    weights = [1 / (rank + 1) for rank in range(users)]
    drawn = random.Random(_SEED).choices(range(users), weights, k=events)
    return Work("zipf", f"(a) {events:,} events of {users:,} users, Zipf", numbered(f"u{n}" for n in drawn))


def uniform(events: int, users: int = 10_000) -> Work:
    """Every user is as active as every other."""
    dice = random.Random(_SEED)
    return Work(
        "uniform",
        f"{events:,} events of {users:,} users",
        numbered(f"u{dice.randrange(users)}" for _ in range(events)),
    )


def hot(events: int, users: int = 10_000) -> Work:
    """One user has every other event."""
    dice = random.Random(_SEED)
    drawn = ("hot" if n % 2 else f"u{dice.randrange(users)}" for n in range(events))
    return Work("hot", f"{events:,} events, every other one of the same user", numbered(drawn))


def _without(zeros: re.Match[bytes]) -> bytes:
    return b"." + zeros[1] if zeros[1] else b""


def shop(events: int) -> Work:
    """Work (b): a shop's purchases over eighteen months."""
    packed = (files("forwarder.demo") / "data" / "cdnow-purchases.ndjson.gz").read_bytes()
    found = []
    for line in _IDLE_ZEROS.sub(_without, gzip.decompress(packed)).splitlines()[:events]:
        user, rest = line.removeprefix(b'{"user_id":"').split(b'",', 1)
        found.append((user.decode(), b"{" + rest))
    return Work("shop", f"(b) {len(found):,} purchases of a shop", found)


def strangers(events: int) -> Work:
    """Work (c): every event another user."""
    return Work("strangers", f"(c) {events:,} events, each another user", numbered(f"u{n}" for n in range(events)))


def deep(events: int) -> Work:
    """For memory: the users of work (a), however many wait."""
    return replace(zipf(events), name=f"deep-{events}", title=f"{events:,} events waiting")


def rows(events: int, most: int) -> Work:
    """For CPU per event: users one after the other, each with just one full POST."""
    found = numbered(f"u{n // most}" for n in range(events))
    return Work(f"rows-{most}", f"{most} {'event' if most == 1 else 'events'} in every POST", found, most)
