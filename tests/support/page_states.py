"""What the status page is given in each state of a queue: `/status.json` as a script. The words are the real ones."""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from forwarder.diagnosis.facts import Facts, Halted, Own, Setup
from forwarder.diagnosis.findings import findings
from forwarder.diagnosis.states import outlook
from forwarder.diagnosis.trend import Trend
from forwarder.queue.about import About, Silence

State = dict[str, Any]

_SETUP = Setup("events", "https://api.carnivalmobile.com", "/run/secrets/api-key")
_ME, _OTHER = "forwarder-7c9d8b6f5-x2x9k:1", "forwarder-7c9d8b6f5-m4wq7:1"
_LIMITS = {"concurrency": {"used": 31, "now": 64, "most": 64}, "rate": {"now": 120.0, "most": 120.0}}
_EXPLAINED = {
    "rejected": "The API answered 400, without saying why. Nothing about the events is unusual.",
    "invalid": "`user_id` is missing. Is `userId` meant?",
    "too_large": "The API answered that this one event is too large.",
    "exhausted": "It was retried often and for long, while others were accepted.",
    "erased": "The API answered that the user was erased.",
}
_HINTS = {"rejected": "The API accepted other events of the same user, so the user and the key are fine."}
_STATUS = {"rejected": "400", "too_large": "413", "exhausted": "503", "erased": "451", "invalid": ""}


def _iso(seconds_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(timespec="seconds")


def groups(count: int, *, of: int = 6_258, named: bool = False) -> list[State]:
    """This many groups of dead letters, the largest first; four of them have `of` letters together."""
    reasons = list(_EXPLAINED)
    found: list[State] = []
    for n in range(count):
        reason = reasons[n % len(reasons)]
        which = {"reason": reason, "status": _STATUS[reason]}
        found.append(
            {
                "id": f"g-{n}",
                **which,
                "names": 1 + n % 3,
                "count": max(1, of * 12 // 25 // (n + 1)) if count > 1 else of,
                "first": _iso(9_000 + n),
                "last": _iso(12 + 50 * n),
                "explanation": _EXPLAINED[reason],
                "hint": _HINTS.get(reason, ""),
                "replay": reason != "invalid",
                "command": f"forwarder dead list --reason {reason} --newest --limit 20",
            }
            | ({"name": f"purchase-{n}", "filter": which | {"name": f"purchase-{n}"}} if named else {})
        )
    return found


def letter(number: int, element: str = '{"user_id":"u-7","name":"purchase-0","vars":{"total":19.5}}') -> State:
    return {
        "id": f"17260778{number:05}-0",
        "reason": "rejected",
        "status": "400",
        "claimed_at": _iso(60 * number + 5),
        "attempts": 1 + number,
        "bytes": len(element),
        "explanation": _EXPLAINED["rejected"],
        "user_id": f"u-{number}",
        "detail": "",
        "element": element,
    }


def _history(now: Mapping[str, float | None], *, flat: bool = False) -> State:
    """Charts that end at these values, with a gap where Redis did not answer."""
    ages = [5.0 * n for n in range(180, 0, -1)]

    def column(value: float | None, seed: int) -> list[float | None]:
        if flat or not value:
            return [value for _ in ages]
        waves = [value * (1 + 0.25 * math.sin(age / 60 + seed) + age / 1_500) for age in ages]
        return [None if 400 < age < 440 else round(wave, 2) for age, wave in zip(ages, waves, strict=True)]

    keys = ("backlog", "accepted", "posts", "events_per_post", "retries", "oldest")
    return {"age": ages} | {key: column(now.get(key), n) for n, key in enumerate(keys)}


def _now(backlog: int | None = 0, accepted: float | None = 0.0, **others: float | None) -> dict[str, float | None]:
    claimed = None if backlog is None else min(backlog, 6_400)
    busy = bool(accepted)
    now: dict[str, float | None] = {
        "backlog": backlog,
        "waiting": None if backlog is None or claimed is None else backlog - claimed,
        "claimed": claimed,
        "to_go": backlog / accepted if backlog and accepted else None,
        "pushed": 0.0,
        "accepted": accepted,
        "posts": 96.4 if busy else accepted,
        "events_per_post": 21.3 if busy else None,
        "retries": 0.2 if busy else accepted,
        "oldest": 3.1 if backlog else None,
    }
    return now | others


def state(facts: Facts, *, letters: int = 0, flat: bool = False, actions: bool = True, **now: float | None) -> State:
    """All that the page is given. The words are what `forwarder.diagnosis` finds in the facts."""
    at = _now(**now)  # type: ignore[arg-type]
    facts = replace(facts, setup=_SETUP, waiting=_int(at["waiting"]), claimed=_int(at["claimed"]), oldest=at["oldest"])
    facts = replace(
        facts,
        letters=letters,
        trend=replace(facts.trend, to_go=at["to_go"], pushed=at["pushed"], accepted=at["accepted"]),
    )
    found, own = findings(facts), facts.own or Own("delivering")
    halt = own.halt or facts.halt
    some = groups(4 if letters > 10 else 1, of=letters) if letters else []
    return {
        "queue": "events",
        "version": "0.2.0",
        "worker": {"name": _ME, "seconds": 7_384},
        "state": "halted" if halt else own.state,
        "ready": True,
        "findings": [asdict(each) | {"runbook": each.anchor} for each in found],
        "halted_since": halt.since if halt else None,
        "brake": halt is not None and halt.reason == "dead_letter_brake",
        "actions": actions,
        "redis": {"age": 0.1, "problem": None},
        "untouched": facts.untouched,
        "now": at | {"outlook": outlook(facts)},
        "silence": own.silence and msgspec.structs.asdict(own.silence),
        "notes": {
            "backlog": f"{at['waiting']:,} waiting, {at['claimed']:,} claimed" if at["backlog"] is not None else "",
            "accepted": "1,204,113 in total, by all workers",
            "posts": "612,004 since this worker started",
            "events_per_post": "more events, fewer POSTs",
            "retries": "503: 612, timeout: 4 since this worker started",
            "oldest": "waiting or claimed",
            "answers": "202: 5,784, 503: 12" if at["accepted"] else "none",
            "concurrency": "31 of 64",
            "rate": "96 of 120",
            "totals": "Since this worker started: 4 POSTs got no answer but may have arrived; 17 batches were halved.",
        },
        "answers": {"202": 5_784, "503": 12} if at["accepted"] else {},
        "limits": _LIMITS,
        "lists": [_list(0)],
        "workers": [_worker(_ME, own.state, at["accepted"], this=True), _worker(_OTHER, "standing by", 0.0)],
        "letters": {
            "said": f"{letters:,} kept" if letters else "none",
            "kept": letters,
            "exact": True,
            "by_reason": dict.fromkeys(_EXPLAINED, 0) | {each["reason"]: each["count"] for each in some},
            "groups": some,
            "latest": [],
            "problem": None,
        },
        "history": _history(at, flat=flat),
    }


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)


def _list(number: int, *, backlog: int = 0, held: bool = True, alive: bool = True) -> State:
    return {
        "list": "events" if number == 0 else f"events:{number}",
        "owner": _ME if held else "nobody",
        "held": held,
        "lease_seconds": 27.4,
        "waiting": backlog,
        "claimed": backlog // 3,
        "alive": alive,
    }


def _worker(name: str, doing: str, accepted: float | None, *, this: bool = False, version: str = "0.2.0") -> State:
    return {
        "name": name,
        "this": this,
        "version": version,
        "uptime": 7_384.2,
        "state": doing,
        "reason": "",
        "lists": 1 if accepted else 0,
        "accepted": accepted,
    }


def _halted(reason: str, detail: str, *, named: bool = True) -> Facts:
    return Facts(own=Own("halted", halt=Halted(reason, detail, _iso(125), named)))


def _delivering(**facts: Any) -> Facts:
    return Facts(own=Own("delivering"), workers=(About(_ME, "0.2.0", lists=1), About(_OTHER, "0.2.0")), **facts)


def _outage(*, outage: bool, cause: str = "503") -> Facts:
    return Facts(own=Own("delivering", silence=Silence(40.0, cause, 22.0, outage)))


def _first_start() -> State:
    found = state(_delivering(untouched=True), flat=True, actions=False)
    return found | {"history": {key: [] for key in found["history"]}}


def _unavailable() -> State:
    problem = ("Redis at redis:6379 refused the connection.", "Check that Redis runs: `redis-cli -u $URL PING`")
    found = state(Facts(own=Own("delivering", redis=problem, redis_age=95.0)), backlog=12_480, accepted=None)
    return found | {"redis": {"age": 95.0, "problem": problem[0]}}


def _many() -> State:
    """40 workers of two versions, 64 lists, 1,000 groups of letters."""
    versions = tuple(About(f"w-{n}:1", "0.2.0" if n % 9 else "0.1.0", lists=1) for n in range(40))
    orphans = {"events:17": 12.0}
    found = state(
        Facts(own=Own("delivering"), workers=versions, lists=64, orphans=orphans),
        letters=90_112, backlog=1_204_881, accepted=11_904.0,
    )  # fmt: skip
    lists = [_list(n, backlog=n * n * 31 if n % 3 else 0, alive=n != 17) for n in range(64)]
    workers = [
        _worker(each.name, "delivering", 297.6, this=n == 4, version=each.version) for n, each in enumerate(versions)
    ]
    workers[7] |= {"state": "halted", "reason": "credentials"}
    return found | {
        "lists": lists,
        "workers": workers,
        "letters": found["letters"] | {"groups": groups(1_000, of=90_112)},
    }


def _unknown() -> State:
    """Redis has never answered."""
    own = Own("starting", redis=("Redis at redis:6379 does not answer.", "Check that Redis runs."), redis_age=None)
    found = state(Facts(own=own), backlog=None, accepted=None)
    notes = dict.fromkeys(found["notes"], "")
    return found | {
        "letters": None, "lists": [], "workers": [], "notes": notes, "answers": {},
        "history": {key: [] for key in found["history"]},
        "now": dict.fromkeys(found["now"]),
    }  # fmt: skip


def _absurd() -> State:
    """Long names and huge numbers."""
    found = _many()
    name = "a-host-name-that-somebody-made-very-long." * 4 + "example:4294967295"
    found["queue"] = "a-queue-name-" * 12
    found["findings"][0] |= {"detail": "x" * 3_000, "title": "Delivering " * 9}
    found["now"] |= {
        "backlog": 123_456_789_012_345,
        "waiting": 123_456_789_012_345,
        "accepted": 1e9,
        "oldest": 1e8,
        "posts": 1e9,
    }
    found["workers"][0] |= {"name": name, "version": "9" * 60, "uptime": 1e12, "lists": 10**15, "accepted": 1e15}
    found["lists"][0] |= {"owner": name, "list": name, "waiting": 10**15, "lease_seconds": 1e12}
    found["letters"]["groups"][0] |= {"explanation": "z" * 4_000, "count": 10**15, "first": "yesterday", "last": ""}
    found["history"] = {key: [None, 1e15, None, 0, 5, None] for key in found["history"]} | {
        "age": [900, 700, 600, 500, 400, -3]
    }
    return found


def states() -> dict[str, State]:
    """Every state by its name."""
    key = "the API answered 401: the key with the fingerprint 3f9c2ab1 is refused"
    brake = "of the last 100 decisions, 84 were refusals, of 61 users"
    wrong = "https://api.example.com answered 404 to three users and has never answered 202"
    growing = Trend(accepted=280.0, pushed=310.0, refused=2.0, seconds=60, letters=512)
    refusals = Trend(accepted=280.0, pushed=281.0, refused=41.0, seconds=60, letters=6_258)
    near = (About(_ME, "0.2.0", lists=1, refused=(63, 100)),)
    return {
        "delivering": state(_delivering(), backlog=90_254, accepted=2_054.0),
        "growing": state(_delivering(trend=growing), backlog=18_204, accepted=280.0, pushed=310.0, to_go=None),
        "idle": state(_delivering(), flat=True, letters=3),
        "first start": _first_start(),
        "standing by": state(Facts(own=Own("standing by")), backlog=412, accepted=96.0),
        "starting": state(Facts(own=Own("starting")), backlog=412),
        "stopping": state(Facts(own=Own("stopping")), backlog=412, accepted=96.0),
        "credentials": state(_halted("credentials", key), backlog=90_254, pushed=31.0),
        "misdirected": state(_halted("misdirected", wrong), backlog=90_254),
        "foreign list": state(_halted("misdirected", "none of the first 100 is an event", named=False), backlog=800),
        "brake": state(_halted("dead_letter_brake", brake), backlog=90_254, letters=6_258),
        "paused": state(_halted("paused", "until 14:30 UTC: the vendor asks for it"), backlog=90_254),
        "outage": state(_outage(outage=True), backlog=90_254, pushed=12.0, retries=1.4, oldest=94.0),
        "silent": state(_outage(outage=False, cause="timeout"), backlog=41, retries=1.4, oldest=44.0),
        "redis": _unavailable(),
        "redis nearly full": state(_delivering(memory=0.93), backlog=90_254, accepted=2_054.0),
        "redis full": state(_delivering(memory=1.0), backlog=90_254, accepted=2_054.0),
        "refusals": state(_delivering(trend=refusals), backlog=8_204, accepted=280.0, letters=6_258),
        "letters": state(_delivering(trend=replace(growing, letters=12)), backlog=120, accepted=280.0, letters=12),
        "late": state(_delivering(), backlog=904_254, accepted=2_054.0, oldest=1_912.0),
        "brake near": state(Facts(own=Own("delivering"), workers=near), backlog=904, accepted=20.0, letters=40),
        "no owner": state(Facts(own=Own("standing by"), ownerless=1), backlog=904),
        "orphan": state(Facts(own=Own("standing by"), orphans={"events": 12.0}, workers=near[:1]), backlog=904),
        "stale": state(Facts(own=Own("delivering", counted_age=61.0)), backlog=904, accepted=20.0),
        "defect": state(Facts(own=Own("delivering", defect="the monitor has failed")), backlog=904, accepted=20.0),
        "many": _many(),
        "unknown": _unknown(),
        "absurd": _absurd(),
    }  # fmt: skip
