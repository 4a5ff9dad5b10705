"""Compares what happened with what was promised. Every larger fault test ends with this check.

It shares no code with the service. Events are identified by their member ``n``, which is unique in a history.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from forwarder.simulator import Simulator
from forwarder.simulator.ledger import Request

#: A POST that was accepted up to this many seconds before a worker was killed, or lost its lease, may be unsettled.
SETTLING = 1.0


@dataclass(frozen=True)
class Post:
    """One accepted POST: whose, which events, when, and whether its answer got through."""

    user: str
    numbers: tuple[int, ...]
    at: float = 0.0
    answered: bool = True


@dataclass
class History:
    """Everything that an observer outside the service can know."""

    #: The events of each user, in the order they were pushed.
    pushed: Mapping[str, Sequence[int]]
    posts: Sequence[Post]
    #: (event, reason) of every dead letter.
    letters: Sequence[tuple[int, str]] = ()
    waiting: Sequence[int] = ()
    claimed: Sequence[int] = ()
    #: Which events must become dead letters, and why.
    bad: Mapping[int, str] = field(default_factory=dict)
    #: When a worker was killed, frozen or cut off from Redis, on the clock of the posts.
    disturbances: Sequence[float] = ()
    #: Pushes that nobody acknowledged, or only a master that is gone: they may be anywhere, or nowhere.
    uncertain: Collection[int] = ()
    #: Periods, from when to when, whose acceptances may be unsettled: a failover forgot them, or a worker was frozen.
    unsettled: Sequence[tuple[float, float]] = ()


@dataclass
class Verdict:
    """What is wrong, by kind, and the doubles that a promise allows."""

    missing: list[int] = field(default_factory=list)
    unexplained: list[int] = field(default_factory=list)
    explained: list[int] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    letters: list[str] = field(default_factory=list)
    unaccounted: list[int] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, list[Any]]:
        """All that breaks a promise."""
        found: dict[str, Sequence[Any]] = {
            "missing": self.missing,
            "doubled without a cause": self.unexplained,
            "out of order": self.out_of_order,
            "dead letters": self.letters,
            "unaccounted": self.unaccounted,
        }
        return {kind: list(what) for kind, what in found.items() if what}


def check(history: History) -> Verdict:
    """Judges a history in which every push was acknowledged."""
    verdict = Verdict()
    _doubles(history, verdict)
    _order(history, verdict)
    _letters(history, verdict)
    _whereabouts(history, verdict)
    return verdict


def _doubles(history: History, verdict: Verdict) -> None:
    """A double is explained if the POST accepted before it lost its answer, or may not have been settled."""
    last: dict[int, Post] = {}
    for post in history.posts:
        for number in post.numbers:
            before = last.get(number)
            if before is not None:
                lost = (
                    not before.answered
                    or any(-SETTLING <= at - before.at <= SETTLING for at in history.disturbances)
                    or any(since - SETTLING <= before.at <= until + SETTLING for since, until in history.unsettled)
                )
                (verdict.explained if lost and before is not post else verdict.unexplained).append(number)
            last[number] = post


def _order(history: History, verdict: Verdict) -> None:
    first: dict[str, dict[int, None]] = {}
    for post in history.posts:
        first.setdefault(post.user, {}).update(dict.fromkeys(post.numbers))
    for user, numbers in history.pushed.items():
        accepted, known = first.get(user, {}), set(numbers)
        if [n for n in accepted if n in known] != [n for n in numbers if n in accepted]:
            verdict.out_of_order.append(user)
    # An event that was accepted for another user than its own is out of order too.
    verdict.out_of_order += [
        user for user, numbers in first.items() if not numbers.keys() <= set(history.pushed.get(user, ()))
    ]


def _letters(history: History, verdict: Verdict) -> None:
    seen: set[int] = set()
    for number, reason in history.letters:
        expected = history.bad.get(number)
        if reason != expected:
            verdict.letters.append(f"{number} is {reason}, expected {expected or 'no letter'}")
        if number in seen:
            verdict.letters.append(f"{number} has two letters")
        seen.add(number)


def _whereabouts(history: History, verdict: Verdict) -> None:
    """Each event is accepted, a letter, waiting or claimed. It is in one place only, and no letter is accepted too."""
    accepted = {number for post in history.posts for number in post.numbers}
    letters = {number for number, _ in history.letters}
    places = [*letters, *history.waiting, *history.claimed]
    everywhere = accepted | set(places)
    pushed = [number for numbers in history.pushed.values() for number in numbers]
    excused = set(history.uncertain)
    verdict.missing += [number for number in pushed if number not in everywhere and number not in excused]
    verdict.unaccounted += sorted(n for n, times in Counter(places).items() if times > 1)
    verdict.unaccounted += sorted(everywhere - set(pushed))
    verdict.unaccounted += sorted(accepted & letters)


async def observed(
    pushed: Iterable[bytes],
    simulator: Simulator,
    redis: Redis,
    *lists: str,
    bad: Mapping[int, str] | None = None,
    disturbances: Sequence[float] = (),
    uncertain: Collection[int] = (),
    unsettled: Sequence[tuple[float, float]] = (),
    in_time: float = math.inf,
) -> History:
    """The history so far, read from the stand-in's ledger and from Redis itself.

    Args:
        in_time: seconds. A worker that gives up after so long may not have heard an answer that took longer.
    """
    order: dict[str, list[int]] = {}
    for element in pushed:
        members = json.loads(element)
        order.setdefault(str(members["user_id"]), []).append(members["n"])
    posts = [
        Post(
            post.user,
            tuple(json.loads(bytes(event))["n"] for event in post.events),
            post.request.at if post.request else 0.0,
            answered=post.request is not None and _was_answered(post.request, in_time),
        )
        for post in simulator.ledger.accepted
    ]
    letters, waiting, claimed = [], [], []
    for name in lists:
        dead: Any = await redis.xrange(f"{{{name}}}:dead")
        letters += [(json.loads(fields[b"element"])["n"], fields[b"reason"].decode()) for _, fields in dead]
        waiting += [json.loads(element)["n"] for element in await redis.lrange(name, 0, -1)]
        claimed += [json.loads(element)["n"] for element in await redis.hvals(f"{{{name}}}:claimed")]
    return History(order, posts, letters, waiting, claimed, bad or {}, disturbances, uncertain, unsettled)


def _was_answered(request: Request, in_time: float) -> bool:
    return request.status is not None and request.answered is not None and request.answered - request.at <= in_time
