"""What the demo pushes, and whether each event fared as it must, by the ledger of the stand-in API."""

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import islice

import aiohttp

from forwarder.queue.census import Census
from forwarder.queue.queue import QueueList

#: The shop's purchases: the CDNOW data of Fader and Hardie, http://www.brucehardie.com/datasets/
ALL_EVENTS = 69_659
#: The stand-in refuses events with this name.
REFUSED = "refuse-me"
#: With --faults, one event in a hundred is bad: in turn, it has no name, or the name that is refused.
_BAD = 100


@dataclass(slots=True)
class Purchases:
    """What is pushed, and how it must end. The member ``demo_id`` identifies an event."""

    elements: list[bytes] = field(default_factory=list)
    #: The IDs of each user's good events, in the order in which they are pushed.
    good: dict[str, list[int]] = field(default_factory=dict)
    invalid: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Check:
    """A statement about the run, and whether what must hold does hold."""

    holds: bool
    text: str


def plan(events: int, *, faults: bool) -> Purchases:
    """The first `events` purchases. With `faults`, every hundredth of them is bad."""
    found = Purchases()
    with (
        (files("forwarder.demo") / "data" / "cdnow-purchases.ndjson.gz").open("rb") as packed,
        gzip.open(packed) as lines,
    ):
        for number, line in enumerate(islice(lines, events)):
            element = line.rstrip()[:-1] + b',"demo_id":%d}' % number
            if faults and number % (2 * _BAD) == _BAD // 2:
                found.invalid.add(number)
                element = element.replace(b'"name":"purchase",', b"")
            elif faults and number % (2 * _BAD) == _BAD + _BAD // 2:
                found.refused.add(number)
                element = element.replace(b'"purchase"', f'"{REFUSED}"'.encode())
            else:
                found.good.setdefault(json.loads(element)["user_id"], []).append(number)
            found.elements.append(element)
    return found


@dataclass(slots=True)
class Seen:
    """What the ledger, the dead letters and the worker's metrics say after the run."""

    #: Each user's accepted events in the order in which they were first accepted: the ID, and the POST.
    accepted: dict[str, dict[int, int]] = field(default_factory=dict)
    doubled: int = 0
    #: How many of these arrived twice in the same POST. No lost answer explains that.
    doubled_within: int = 0
    #: The POSTs that had first delivered what arrived again later.
    doubled_posts: set[int] = field(default_factory=set)
    dead: dict[str, list[int]] = field(default_factory=lambda: {"invalid": [], "rejected": []})
    metrics: str = ""

    def total(self, name: str) -> int:
        """The sum over a metric's labels."""
        return _total(self.metrics, name)

    def accept(self, line: bytes) -> None:
        """Adds one line of the ledger."""
        entry = json.loads(line)
        ids = self.accepted.setdefault(entry["user"], {})
        number, post = entry["event"]["demo_id"], entry["post"]
        if number not in ids:
            ids[number] = post
            return
        self.doubled += 1
        if ids[number] == post:
            self.doubled_within += 1
        else:
            self.doubled_posts.add(ids[number])


def _total(metrics: str, name: str) -> int:
    series = (x for x in metrics.splitlines() if x.startswith((f"{name} ", f"{name}{{")))
    return int(sum(float(x.rsplit(" ", 1)[1]) for x in series))


@asynccontextmanager
async def scraping(admin: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Yields a function that reads the worker's metrics. It reuses one connection."""
    async with aiohttp.ClientSession() as session:

        async def scrape() -> str:
            async with session.get(f"{admin}/metrics") as metrics:
                return await metrics.text()

        yield scrape


def live(metrics: str) -> tuple[int, int]:
    """The numbers of POSTs and retries so far."""
    return _total(metrics, "forwarder_posts_total"), _total(metrics, "forwarder_retries_total")


async def observe(queue: QueueList, api_url: str, admin: str) -> Seen:
    """Reads the ledger, the metrics and the dead letters."""
    seen = Seen()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{api_url}/ledger") as ledger:
            async for line in ledger.content:
                seen.accept(line)
        async with session.get(f"{admin}/metrics") as metrics:
            seen.metrics = await metrics.text()
    async for letter in queue.letters.all():
        seen.dead.setdefault(letter.reason, []).append(json.loads(letter.element)["demo_id"])
    return seen


def verdict(planned: Purchases, seen: Seen, census: Census) -> list[Check]:
    """The checks of the run."""
    return [_arrived(planned, seen), _in_order(planned, seen), _once(seen), _letters(planned, seen), _balanced(census)]


def _check(holds: bool, good: str, bad: str) -> Check:  # noqa: FBT001 - it comes first in the check, too
    return Check(holds, good if holds else bad)


def _arrived(planned: Purchases, seen: Seen) -> Check:
    good = sum(map(len, planned.good.values()))
    there = sum(len(set(ids) & seen.accepted.get(user, {}).keys()) for user, ids in planned.good.items())
    accepted = sum(map(len, seen.accepted.values()))
    events = "good events" if planned.invalid or planned.refused else "events"
    return _check(
        there == good == accepted,
        f"All {good:,} {events} arrived, and no others",
        f"{good - there:,} of {good:,} {events} are missing; {accepted - there:,} others were accepted",
    )


def _in_order(planned: Purchases, seen: Seen) -> Check:
    disordered = sum(not _ordered(ids, seen.accepted.get(user, {})) for user, ids in planned.good.items())
    customers = f"{len(planned.good):,} customers"
    return _check(
        not disordered,
        f"The events of all {customers} arrived in order",
        f"The events of {disordered:,} of {customers} arrived out of order",
    )


def _once(seen: Seen) -> Check:
    lost = seen.total("forwarder_posts_ambiguous_total")
    if not seen.doubled:
        return Check(holds=True, text="No event arrived twice")
    posts = f"{len(seen.doubled_posts):,} POSTs"
    return _check(
        not seen.doubled_within and len(seen.doubled_posts) <= lost,
        f"{seen.doubled:,} events arrived twice, from {posts}: the answers of {lost:,} POSTs were lost",
        f"{seen.doubled:,} events arrived twice: {seen.doubled_within:,} within one POST, the others from {posts}, "
        f"but the answers of only {lost:,} POSTs were lost",
    )


def _balanced(census: Census) -> Check:
    return _check(
        not census.imbalance,
        "Every claimed event is accounted for",
        f"The counts of claimed events are off by {census.imbalance:,}",
    )


def _ordered(ids: list[int], accepted: dict[int, int]) -> bool:
    """Whether the accepted events among `ids` arrived in this order. Missing events are another check's concern."""
    wanted = set(ids)
    return [x for x in accepted if x in wanted] == [x for x in ids if x in accepted]


def _letters(planned: Purchases, seen: Seen) -> Check:
    wanted = {"invalid": sorted(planned.invalid), "rejected": sorted(planned.refused)}
    count = sum(map(len, seen.dead.values()))
    said = ", ".join(f"{len(ids):,} {reason}" for reason, ids in seen.dead.items())
    bad = f"the {len(planned.invalid):,} events without a name and the {len(planned.refused):,} that the API refused"
    return _check(
        {reason: sorted(ids) for reason, ids in seen.dead.items()} == wanted,
        f"{count:,} dead letters: {bad}" if count else "No event became a dead letter",
        f"{count:,} dead letters ({said}), which are not {bad}",
    )


def figures(seen: Seen, census: Census) -> dict[str, str]:
    """The figures of a run, for people."""
    posts = seen.total("forwarder_posts_total")
    return {
        "events": f"{census.sequence:,}",
        "POSTs": f"{posts:,}",
        "events per POST": f"{census.sequence / max(1, posts):.1f}",
        "retries": f"{seen.total('forwarder_retries_total'):,}",
        "halved batches": f"{seen.total('forwarder_bisections_total'):,}",
        "dead letters": f"{census.letters:,}",
    }
