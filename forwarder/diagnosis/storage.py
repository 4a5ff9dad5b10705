"""The words for what is wrong with what Redis holds: too much, too little, counts that disagree, foreign keys."""

import shlex
from collections.abc import Iterator

from forwarder.diagnosis.facts import Facts
from forwarder.diagnosis.finding import Finding
from forwarder.logs.printable import counted

#: A Redis server is nearly full from this part of its memory on, and full from the second one on: what pushes need is
#: a little more than what is free.
_NEARLY_FULL, _FULL = 0.9, 0.99


def memory(facts: Facts) -> Iterator[Finding]:
    if facts.memory is None or facts.memory < _NEARLY_FULL:
        return
    full = facts.memory >= _FULL
    yield Finding(
        "redis_full",
        "bad" if full else "warn",
        "Redis is full" if full else "Redis is nearly full",
        "Pushes are refused, so producers must keep their events. What Redis holds is kept and sent."
        if full
        else "When it is full, Redis refuses pushes.",
        f"{facts.memory:.0%} of its memory is used.",
        (
            "Give Redis more memory, and change its configuration file too: `redis-cli CONFIG SET maxmemory 2gb`",
            "Dead letters take memory too. See how many there are: `forwarder dead summary`",
        ),
    )


def rolled_back(facts: Facts) -> Iterator[Finding]:
    if facts.rolled_back:
        yield Finding(
            "rolled_back",
            "bad",
            "Redis has lost data",
            "It counts less than before. It was emptied, or it came back with an old copy, or a replica that lagged "
            "behind took over. What it held may be lost, or sent again.",
            steps=(
                "Find out what happened to Redis: its log, and its persistence (`redis-cli INFO persistence`).",
                "Let the producers push again what they have not seen arrive.",
            ),
        )


def imbalance(facts: Facts) -> Iterator[Finding]:
    if facts.imbalance:
        yield Finding(
            "imbalance",
            "warn",
            "The counts disagree",
            "Claims, outcomes and dead letters do not add up. Redis lost writes, or somebody changed keys.",
            f"They disagree by {counted(facts.imbalance, 'event')}.",
            ("See which list it is: `forwarder audit`",),
        )


def foreign_keys(facts: Facts) -> Iterator[Finding]:
    if facts.foreign:
        yield Finding(
            "foreign_keys",
            "calm",
            "Some figures cannot be shown",
            "Somebody else uses keys of this queue. Events are delivered all the same.",
            f"Another program writes what should hold figures: {', '.join(facts.foreign)}.",
            (f"Find out which, then delete what it wrote: `redis-cli DEL {shlex.join(facts.foreign)}`",),
        )
