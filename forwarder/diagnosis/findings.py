"""From the facts to what is wrong, the worst first."""

from collections.abc import Iterator

from forwarder.diagnosis import storage
from forwarder.diagnosis.facts import Facts, Own, Setup
from forwarder.diagnosis.finding import Finding
from forwarder.diagnosis.halts import halted, halted_in_part
from forwarder.diagnosis.outages import outage
from forwarder.diagnosis.spans import about, sentence, span
from forwarder.diagnosis.states import of_worker, state
from forwarder.logs.printable import counted
from forwarder.outcome import HaltReason

#: More refusals than this part of what is decided are worth a look. One bad event in a thousand is everyday life.
_REFUSED = 0.05
#: Events older than this many seconds are late.
_LATE = 300.0
#: The oldest event was overtaken if the whole backlog is decided in less than this part of its age. Example: of 500
#: events 170 are decided a second, so in order none would be older than 3 s, but one is 6 minutes old.
_OVERTAKEN = 10.0
#: If Redis has not answered for this many seconds, what is shown is old.
_STALE = 3.0
#: The same for the counts of the lists. Those of many lists may be 4.5 s old, or 6.5 s if the process that counts died.
_OUTDATED = 8.0

_TOO_SLOW = (
    "Compare what is pushed with what the API accepts: `forwarder status`",
    "If the rate is the limit, ask the vendor for a higher one, and set `FORWARDER_RATE_LIMIT`.",
)

#: The states in which the service does not work and says so. Each of them explains why events are late.
_EXPLAINED = frozenset({"redis", "no_worker", "no_owner", "outage", "silent", "starting"})


def findings(facts: Facts) -> tuple[Finding, ...]:
    """What a person should know, the worst first; never empty. The first one is the headline."""
    wrong = [*_wrong(facts)]
    if not any(each.reason in _EXPLAINED or each.is_halt for each in wrong):
        wrong += [*_late(facts)]
    bad = [each for each in wrong if each.tone == "bad"]
    warnings = [each for each in wrong if each.tone == "warn"]
    hints = [each for each in wrong if each.tone not in ("bad", "warn")]
    at_rest = any(each.stops for each in wrong)
    return (*bad, *warnings, *(() if at_rest else (state(facts),)), *hints)


def of_process(own: Own, setup: Setup) -> Finding:
    """What one process does, as far as it knows by itself: the words of /readyz, the log and systemd."""
    return next(_of_process(own, setup), None) or of_worker(own.state)


def without_redis(error: str, remedy: str) -> Finding:
    """What there is to say while Redis does not serve: why, and what to do about it."""
    return Finding(
        "redis",
        "bad",
        "Redis is unavailable",
        "No event can be claimed, so nothing is sent. Nothing is lost.",
        sentence(error),
        (sentence(remedy),),
        stops=True,
    )


def _of_process(own: Own, setup: Setup, *, only: str = "") -> Iterator[Finding]:
    if own.halt is not None:
        yield halted(own.halt, setup)
    if own.redis is not None:
        yield without_redis(*own.redis)
    if own.defect:
        yield Finding(
            "defect",
            "bad",
            "A part of the service has failed",
            "Events go on, but this process does not know or show everything any more.",
            own.defect,
            ("Restart the service, and report the error in its log.",),
        )
    if own.silence is not None and own.state == "delivering" and (found := outage(own.silence, setup.api, only=only)):
        yield found


def _wrong(facts: Facts) -> Iterator[Finding]:
    own = facts.own
    if own is not None:
        yield from _of_process(own, facts.setup, only=_only(facts))
    if facts.halt is not None and (own is None or own.halt is None):
        others_go_on = facts.halt.named and any(each.lists and each.state == "delivering" for each in facts.workers)
        yield (halted_in_part if others_go_on else halted)(facts.halt, facts.setup)
    if facts.pause is not None and (own is None or own.halt is None or own.halt.reason != facts.pause.reason):
        yield halted(facts.pause, facts.setup)
    yield from _without_a_worker(facts)
    yield from _orphans(facts)
    yield from storage.memory(facts)
    yield from _silences(facts)
    yield from _brake(facts)
    yield from _refusals(facts)
    yield from storage.rolled_back(facts)
    yield from storage.imbalance(facts)
    yield from _age_of_what_is_shown(own)
    yield from _versions(facts)
    yield from storage.foreign_keys(facts)


def _without_a_worker(facts: Facts) -> Iterator[Finding]:
    backlog = facts.backlog or 0
    waits = f"{counted(backlog, 'event')} {'waits' if backlog == 1 else 'wait'}."
    if facts.own is not None and facts.own.redis is not None:
        return
    if not facts.workers and facts.own is None and facts.ownerless:
        yield Finding(
            "no_worker",
            "bad" if backlog else "warn",
            "No worker is running",
            "Nothing is sent. Events can be pushed, and they wait in Redis.",
            waits if backlog else "",
            ("Start a worker: `forwarder run`",),
            stops=True,
        )
    elif facts.ownerless and backlog and facts.halt is facts.pause is None:
        one = facts.lists == 1
        yield Finding(
            "no_owner",
            "warn",
            "The list has no owner" if one else "Lists have no owner",
            "Its events wait in Redis. A running worker takes it within seconds."
            if one
            else "Their events wait in Redis. The running workers take them within seconds.",
            waits if one else f"{facts.ownerless:,} of {facts.lists:,} lists. {waits}",
            ("If this lasts for more than a minute, look at the log of the workers.",),
            stops=facts.ownerless == facts.lists and facts.own is None,
        )


def _orphans(facts: Facts) -> Iterator[Finding]:
    if not facts.orphans or (facts.own is not None and facts.own.redis is not None):
        return
    last = max(facts.orphans.values())
    names = ", ".join(sorted(facts.orphans)[:3]) + (" and others" if len(facts.orphans) > 3 else "")
    yield Finding(
        "orphan",
        "warn",
        "A worker is gone",
        "Its events wait in Redis until its lease ends. Then another worker takes over. Nothing is lost.",
        f"The owner of the list {names} is gone. Its lease ends in {span(last)}."
        if len(facts.orphans) == 1
        else f"The owners of the lists {names} are gone. The last lease ends in {span(last)}.",
        ("Wait: a running worker takes over by itself.",) if facts.workers else ("Start a worker: `forwarder run`",),
        stops=len(facts.orphans) == facts.lists and (facts.own is None or facts.own.state == "standing by"),
    )


def _silences(facts: Facts) -> Iterator[Finding]:
    """An outage that other workers see; what this process itself sees comes from itself."""
    if facts.own is not None and facts.own.silence is not None and facts.own.state == "delivering":
        return
    silent = [each.silence for each in facts.workers if each.lists and each.silence is not None]
    if not silent:
        return
    first, longest = min(each.next_try or 0.0 for each in silent), max(silent, key=lambda each: each.seconds)
    known = any(each.next_try is not None for each in silent)
    whole = type(longest)(
        longest.seconds, longest.cause, first if known else None, outage=any(each.outage for each in silent)
    )
    if found := outage(whole, facts.setup.api, only=_only(facts)):
        yield found


def _only(facts: Facts) -> str:
    """Which workers an outage concerns; empty if the API accepts nothing from anybody.

    Another worker that has nothing to send proves nothing. What this process itself sees is newer than its row.
    """
    mine = facts.own.name if facts.own is not None and facts.own.silence is not None else None
    owners = [each for each in facts.workers if each.lists]
    well = [each for each in owners if each.silence is None and each.name != mine]
    if not any(each.accepted for each in well):
        return ""
    return f"This concerns {len(owners) - len(well):,} of {counted(len(owners), 'worker')}."


def _brake(facts: Facts) -> Iterator[Finding]:
    # When a halt has just ended, a worker's latest row may still be of the time before.
    working = [each for each in facts.workers if each.state != "halted"]
    suspects = [each.refused for each in working if each.refused is not None]
    if not suspects or facts.halt is not None:
        return
    refused, decisions = max(suspects, key=lambda each: each[0] / max(1, each[1]))
    yield Finding(
        "brake_near",
        "warn",
        "Most of what is sent is refused",
        "Refused events wait. If four of five answers are refusals, the dead-letter brake halts all workers.",
        f"{refused:,} of the last {decisions:,} answers were refusals.",
        ("Look at what is refused: `forwarder dead summary`", "Fix the producer, or stop it."),
    )


def _refusals(facts: Facts) -> Iterator[Finding]:
    trend = facts.trend
    halt = facts.halt or (facts.own and facts.own.halt)
    if not facts.letters or not trend.letters or (halt and halt.reason == HaltReason.DEAD_LETTER_BRAKE):
        return
    share = None
    if trend.accepted is not None and trend.refused is not None and trend.accepted + trend.refused > 0:
        share = trend.refused / (trend.accepted + trend.refused)
    many = share is not None and share >= _REFUSED
    made = f"{counted(trend.letters, 'dead letter')} in the last 15 minutes"
    yield Finding(
        "refusals" if many else "letters",
        "warn",
        "Many events become dead letters" if many else "Events become dead letters",
        "They are kept in Redis with the reason. All other events go on.",
        f"{made}; {share:.0%} of the latest events were refused." if many else f"{made}.",
        (
            "Look at what is refused: `forwarder dead summary`",
            "Fix the producer, then replay or delete them. This ends when none is left, or after 15 minutes.",
        ),
    )


def _late(facts: Facts) -> Iterator[Finding]:
    if not facts.backlog or facts.oldest is None or facts.oldest < _LATE:
        return
    to_go, turnover = facts.trend.to_go, facts.trend.turnover
    if not to_go and turnover is not None and turnover < facts.oldest / _OVERTAKEN:
        yield Finding(
            "late",
            "warn",
            "Some events are late",
            "Newer events of other users are accepted, so the POSTs of a few users fail again and again.",
            f"The oldest event is {span(facts.oldest)} old.",
            (
                "Look in the log for the status of the POSTs that fail.",
                "Wait: they are accepted in the end, or become dead letters: `forwarder dead summary`",
            ),
        )
        return
    steps: tuple[str, ...] = (f"Wait: the backlog is gone in {about(to_go)}.",) if to_go else _TOO_SLOW
    yield Finding(
        "late",
        "warn",
        "Events are late",
        "More events were pushed than the API has accepted. Nothing is lost.",
        f"The oldest event is {span(facts.oldest)} old.",
        steps,
    )


def _age_of_what_is_shown(own: Own | None) -> Iterator[Finding]:
    if own is None:
        return
    if own.redis_age is None:
        sentence = "Redis has not answered since this worker started. What is in the queue is not known."
        detail = ""
    elif own.redis_age > _STALE:
        sentence = "Redis does not answer. The figures are from its last answer."
        detail = f"Redis answered last {span(own.redis_age)} ago."
    elif own.counted_age > _OUTDATED:
        sentence = "The lists cannot be counted. Perhaps a part of Redis does not answer."
        detail = f"The lists were counted last {span(own.counted_age)} ago."
    else:
        return
    yield Finding("stale", "warn", "The figures are old", sentence, detail)


def _versions(facts: Facts) -> Iterator[Finding]:
    versions = sorted({each.version for each in facts.workers if each.version})
    if len(versions) > 1:
        yield Finding(
            "versions",
            "calm",
            "Workers of different versions run",
            "That is normal during a deploy.",
            ", ".join(versions),
        )
