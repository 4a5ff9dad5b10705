"""What `forwarder status` shows of a queue: to a person at any width, and to a script."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from forwarder.cli.layout import Paper
from forwarder.cli.status import charts
from forwarder.cli.status.document import document, without_redis
from forwarder.cli.status.drawing import drawn, drawn_old
from forwarder.diagnosis.facts import Facts
from forwarder.diagnosis.finding import Finding
from forwarder.diagnosis.trend import Trend
from forwarder.operations.status import ListStatus, Owner, Status
from forwarder.queue.about import About, Silence
from forwarder.queue.census import Census
from forwarder.queue.halts import HaltRecord
from forwarder.queue.totals import Totals

MIDNIGHT = 1_704_067_200.0
WIDTHS = (40, 60, 80, 200)
HOST = "forwarder-7f9c5d6c4d-x2x7k:1"
WORKERS = (
    About(HOST, "0.2.0", 12_345.0, "delivering", "", 2, 603.4, 130.0),
    About("host-b:4711", "0.2.0", 55.0, "standing by"),
)
WORKING = Finding("delivering", "good", "Delivering", "Events are claimed and sent to the API.")
REFUSED_KEY = Finding(
    "credentials",
    "bad",
    "Halted: the API refuses the key",
    "Nothing is sent, and everything is kept in Redis.",
    "The API answered 401.",
    (
        "Put the right key into `/run/secrets/key` (`FORWARDER_API_KEY_FILE`). The service then continues by itself.",
        "Only if the refused key is right after all: `forwarder resume`",
    ),
)
NEARLY_FULL = Finding(
    "redis_full", "warn", "Redis is nearly full", "Then it refuses.", "93% is used.", ("Look.", "No.")
)


def census(waiting: int, claimed: int = 2, *, lease: str | None = "a-b") -> Census:
    return Census(waiting, claimed, lease, 4_200 if lease else 0, 7 + claimed, 3, 6, 1, 0, 0, 1)


def facts(**others: object) -> Facts:
    trend = Trend(accepted=1203.0, pushed=900.0, refused=0.0, seconds=60.0, to_go=720.0)
    known: dict[str, object] = {
        "workers": WORKERS,
        "waiting": 90_254,
        "claimed": 1_200,
        "letters": 3_004,
        "oldest": 130.0,
        "trend": trend,
    }
    return Facts(**(known | others))  # type: ignore[arg-type]


QUEUE = Status(
    "events",
    (ListStatus("events", census(90_254, 1_200), Owner(HOST, 28.4)),),
    WORKERS,
    None,
    facts(),
    (WORKING,),
    {"rejected": 2_990, "invalid": 14},
    tuple(Totals(MIDNIGHT + 15 * at, 90_000 - 1_000 * at, 0, 1_203 * 15 * at, 0, 0, 0, 0) for at in range(60)),
)
HALTED = replace(QUEUE, halt=HaltRecord("credentials", "The API answered 401.", "2024-01-01T00:00:00Z", "f"))
HALTED = replace(HALTED, findings=(REFUSED_KEY, NEARLY_FULL))


def plain(found: Status, width: int | None = 80, *, unicode: bool = True) -> list[str]:
    return [line.plain for line in drawn(found, Paper(width, unicode=unicode))]


def test_the_state_stands_first_then_the_figures_then_the_workers_and_the_lists() -> None:
    assert plain(QUEUE) == [
        "events",
        "",
        "Delivering",
        "Events are claimed and sent to the API.",
        "",
        "backlog           91,454  gone in about 12 min",
        "waiting           90,254",
        "claimed            1,200",
        "accepted         1,203/s  6 in total",
        "pushed             900/s",
        "oldest event  2 min 10 s",
        "dead letters       3,004  2,990 rejected, 14 invalid",
        "",
        "in the last 15 minutes",
        "backlog     ██████████▇▇▇▇▇▇▇▇▇▇▆▆▆▆▆▆▆▆▆▆▅▅▅▅▅▅▅▅▅▄▄▄▄▄▄  highest 90,000",
        "accepted/s   ████████████████████████████████████████████  highest 1,203",
        "",
        "worker                        state        version  running     lists  accepted",
        "forwarder-7f9c5d6c4d-x2x7k:1  delivering   0.2.0    3 h 25 min      2     603/s",
        "host-b:4711                   standing by  0.2.0    55 s            0",
        "",
        "list    backlog  owner                         lease",
        "events   91,454  forwarder-7f9c5d6c4d-x2x7k:1  28 s",
    ]


def test_of_a_halt_every_step_is_shown_the_right_one_first_and_of_what_else_is_wrong_one() -> None:
    shown = plain(HALTED)
    assert shown[2:12] == [
        "Halted: the API refuses the key since 2024-01-01T00:00:00Z, 14 min 45 s ago",
        "Nothing is sent, and everything is kept in Redis.",
        "The API answered 401.",
        "  1. Put the right key into `/run/secrets/key` (`FORWARDER_API_KEY_FILE`). The",
        "     service then continues by itself.",
        "  2. Only if the refused key is right after all: `forwarder resume`",
        "Runbook: credentials",
        "",
        "Redis is nearly full. 93% is used.",
        "  Look.",
    ]
    assert "  No." not in shown


MANY = tuple(
    ListStatus(f"{{events:{shard}}}", census(shard % 7 // 6, 0), Owner(HOST if shard % 2 else "host-b:4711", 28.0))
    for shard in range(64)
)
NO_OWNER = replace(MANY[20], owner=None, census=census(0, 0, lease=None))
GONE = replace(MANY[21], owner=Owner("6f1a2b3c", 12.0, alive=False))
SOME_IN_TROUBLE = replace(QUEUE, lists=(*MANY[:20], NO_OWNER, GONE, *MANY[22:]))
LONG = "a-host-with-a-name-that-nobody-can-remember.eu-central-1.compute.internal:1"
EVERY = {
    "working": QUEUE,
    "halted": HALTED,
    "many lists": SOME_IN_TROUBLE,
    "no worker": replace(QUEUE, workers=(), lists=(NO_OWNER,), past=(), letters={}, facts=Facts()),
    "a long name": replace(QUEUE, workers=(About(LONG),), lists=(replace(MANY[0], owner=Owner(LONG, 3.0)),)),
}


@pytest.mark.parametrize("width", [*WIDTHS, None])
@pytest.mark.parametrize("found", EVERY.values(), ids=EVERY)
def test_no_line_is_too_long_or_ends_in_spaces_and_every_worker_is_shown(found: Status, width: int | None) -> None:
    lines = plain(found, width)
    assert [line for line in lines if line != line.rstrip()] == []
    # What is longer is one word or one command, and stays whole.
    assert [
        line for line in lines if width and len(line) > width and not any(word in line for word in ("`", LONG))
    ] == []
    shown = " ".join(" ".join(lines).split())
    for worker in found.workers:
        assert all(part in shown for part in (worker.name, worker.state, worker.version))
    for finding in found.findings[:1]:
        assert all(step in shown for step in finding.steps)


def test_a_halt_that_somebody_else_has_written_is_shown_too() -> None:
    found = replace(HALTED, halt=HaltRecord("credentials", "", "yesterday", ""))
    assert plain(found)[2] == "Halted: the API refuses the key since yesterday"


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ({"rejected": 2_990, "invalid": 14}, "3,004  2,990 rejected, 14 invalid"),
        ({"rejected": 2_000}, "3,004  2,000 rejected, 1,004 not counted yet"),
        ({}, "3,004"),
    ],
)
def test_dead_letters_are_shown_by_reason_as_far_as_they_are_counted(letters: dict[str, int], said: str) -> None:
    (line,) = [line for line in plain(replace(QUEUE, letters=letters)) if line.startswith("dead letters")]
    assert line.removeprefix("dead letters").strip() == said


def test_a_pipe_gets_each_sentence_in_a_line_and_no_charts() -> None:
    lines = plain(HALTED, None)
    assert f"  1. {REFUSED_KEY.steps[0]}" in lines
    assert "in the last 15 minutes" not in lines


@pytest.mark.parametrize("found", EVERY.values(), ids=EVERY)
def test_a_terminal_without_unicode_gets_ascii(found: Status) -> None:
    assert all(line.isascii() for width in (60, None) for line in plain(found, width, unicode=False))


@pytest.mark.parametrize(
    ("backlog", "trend", "said"),
    [
        (500, Trend(accepted=10.0, pushed=2.5, refused=0.0, to_go=100.0), "  gone in about 2 min"),
        (500, Trend(accepted=10.0, pushed=42.0, refused=2.0), "  growing by 30/s"),
        (500, Trend(accepted=1.0, pushed=1.25, refused=0.0), "  growing by 0.2/s"),
        (500, Trend(accepted=10.0, pushed=10.0, refused=0.0), "  not going down"),
        (500, Trend(), ""),
        (0, Trend(accepted=10.0, pushed=10.0, refused=0.0, to_go=0.0), ""),
    ],
)
def test_the_backlog_says_where_it_goes(backlog: int, trend: Trend, said: str) -> None:
    lines = plain(replace(QUEUE, facts=facts(waiting=backlog, claimed=0, trend=trend)))
    (line,) = [line for line in lines if line.startswith("backlog ") and "highest" not in line]
    assert line.endswith(f" {backlog}{said}")
    assert any(line.startswith("oldest event") for line in lines) == bool(backlog)
    assert any(line.split()[:2] == ["accepted", "unknown"] for line in lines) == (trend == Trend())


def test_of_many_lists_those_are_shown_that_need_attention_and_those_with_the_largest_backlogs() -> None:
    lines = plain(SOME_IN_TROUBLE, 70)
    at = lines.index("list         backlog  owner                         lease")
    assert lines[at + 1 : at + 4] == [
        "{events:20}        0  none",
        "{events:21}        0  6f1a2b3c, gone                12 s",
        "{events:6}         1  host-b:4711                   28 s",
    ]
    assert lines[-2:] == ["… and 54 more lists, all owned and empty (all:", "`forwarder status --json`)"]
    busy = [replace(each, census=census(5, 0)) for each in MANY]
    assert "… and 52 more lists, with 260 events (" in plain(replace(QUEUE, lists=tuple(busy)), None)[-1]
    quiet = [replace(each, census=census(0, 0)) for each in MANY]
    assert plain(replace(QUEUE, lists=tuple(quiet)), None)[-1].startswith("64 lists, all owned and empty (")
    lost = [replace(NO_OWNER, name=f"{shard}") for shard in range(64)]
    assert plain(replace(QUEUE, lists=tuple(lost)), None)[-1].startswith(
        "… and 52 more lists, with 0 events; 52 need attention"
    )


@pytest.mark.parametrize(
    ("worker", "waiting", "said"),
    [
        (About("w", state="delivering"), 1, "delivering"),
        (About("w", state="delivering"), 0, "idle"),
        (About("w", state="halted", reason="credentials"), 1, "halted (credentials)"),
        (About("w", state="starting"), 1, "starting"),
        (About("w", state="delivering", silence=Silence(40.0, "503", 22.0, outage=True)), 1, "outage (503)"),
        (About("w", state="delivering", silence=Silence(40.0, "503")), 1, "delivering"),
    ],
)
def test_a_worker_says_what_it_does(worker: About, waiting: int, said: str) -> None:
    lines = plain(replace(QUEUE, workers=(worker,), facts=facts(workers=(worker,), waiting=waiting, claimed=0)))
    (line,) = [line for line in lines if line.startswith("w  ")]
    assert line.removeprefix("w").strip().startswith(f"{said}  ")


def test_nothing_that_others_have_written_moves_a_cursor() -> None:
    evil = "\x1b[2J\r\n\x9b2K\u202e"
    found = replace(
        QUEUE,
        queue=evil,
        workers=(About(evil, evil, 1.0, evil, evil, silence=Silence(1.0, evil, outage=True)), About(evil, state=evil)),
        lists=(ListStatus(evil, census(1), Owner(evil, 1.0)),),
        findings=(replace(REFUSED_KEY, title=evil, detail=evil, steps=(evil,)), replace(NEARLY_FULL, title=evil)),
        letters={evil: 1},
        halt=HaltRecord("credentials", evil, evil, evil),
    )
    for width in (60, 200, None):
        shown = [*plain(found, width), *(line.plain for line in drawn_old(found, Paper(width), 1.0, evil))]
        assert all(line.isprintable() for line in shown)


def test_while_redis_is_away_the_old_figures_are_grey_and_their_age_is_shown() -> None:
    problem = "Redis at 127.0.0.1:6379 refused the connection. Is it running?"
    lines = list(drawn_old(QUEUE, Paper(80), 14.0, problem))
    assert [line.plain for line in lines][:11] == [
        "events",
        "",
        "Redis is unavailable",
        "No event can be claimed, so nothing is sent. Nothing is lost.",
        "Redis at 127.0.0.1:6379 refused the connection. Is it running? The figures below",
        "are 14 s old.",
        "  Check that Redis runs and can be reached (`FORWARDER_REDIS_URL`). The service",
        "  then continues by itself.",
        "Runbook: redis",
        "",
        "backlog           91,454  gone in about 12 min",
    ]
    assert {str(line.style) for line in lines[10:] if line} == {"dim"}
    assert not any(line.spans for line in lines[10:])


def test_a_script_gets_everything_under_names_that_stay() -> None:
    silence = Silence(40.0, "503", 22.0, outage=True)
    workers = (msgspec.structs.replace(WORKERS[0], silence=silence), WORKERS[1])
    found = document(replace(HALTED, workers=workers, lists=(QUEUE.lists[0], GONE, NO_OWNER)))
    counts = {"sequence": 21, "accepted": 18, "dead_lettered": 3, "replayed": 0, "deleted": 0, "letters": 3}
    assert found | {"lists": None, "findings": None, "workers": None} == {
        "queue": "events",
        "findings": None,
        "backlog": 91_454,
        "waiting": 90_254,
        "claimed": 1_200,
        **(counts | {"sequence": 1_221}),
        "letters_by_reason": {"rejected": 2_990, "invalid": 14},
        "accepted_per_second": 1203.0,
        "pushed_per_second": 900.0,
        "to_go_seconds": 720.0,
        "oldest_seconds": 130.0,
        "lists": None,
        "workers": None,
        "halt": {"reason": "credentials", "detail": "The API answered 401.", "since": "2024-01-01T00:00:00Z"},
        "balanced": True,
    }
    assert found["findings"] == [
        {
            "reason": "credentials",
            "tone": "bad",
            "title": "Halted: the API refuses the key",
            "sentence": "Nothing is sent, and everything is kept in Redis.",
            "detail": "The API answered 401.",
            "steps": list(REFUSED_KEY.steps),
            "runbook": "credentials",
        },
        {
            "reason": "redis_full",
            "tone": "warn",
            "title": "Redis is nearly full",
            "sentence": "Then it refuses.",
            "detail": "93% is used.",
            "steps": ["Look.", "No."],
            "runbook": "redis-full",
        },
    ]
    assert [each["owner"] for each in found["lists"]] == [  # type: ignore[attr-defined]
        {"worker": HOST, "lease_seconds": 28.4, "alive": True},
        {"worker": "6f1a2b3c", "lease_seconds": 12.0, "alive": False},
        None,
    ]
    assert found["workers"] == [
        {
            "name": HOST,
            "version": "0.2.0",
            "state": "delivering",
            "reason": "",
            "uptime_seconds": 12_345.0,
            "lists": 2,
            "accepted_per_second": 603.4,
            "oldest_seconds": 130.0,
            "silence": {"seconds": 40.0, "cause": "503", "next_try_seconds": 22.0, "outage": True},
        },
        {
            "name": "host-b:4711",
            "version": "0.2.0",
            "state": "standing by",
            "reason": "",
            "uptime_seconds": 55.0,
            "lists": 0,
            "accepted_per_second": None,
            "oldest_seconds": None,
            "silence": None,
        },
    ]
    gone: Any = without_redis("events", "gone")
    assert (gone["queue"], gone["findings"][0]["reason"], gone["findings"][0]["detail"]) == ("events", "redis", "Gone.")


def test_what_is_not_accounted_for_in_one_list_is_not_made_up_for_by_another_one() -> None:
    one_more, one_less = replace(census(0), accepted=7), replace(census(0), accepted=5)
    found = replace(QUEUE, lists=(ListStatus("a", one_more, None), ListStatus("b", one_less, None)))
    assert found.total.imbalance == 0
    assert document(found)["balanced"] is False


def test_a_chart_begins_at_zero_shows_gaps_and_each_value_above_zero() -> None:
    assert charts.spark([0.0, None, 0.01, 50.0, 100.0], Paper()) == "▁ ▂▅█"
    assert charts.spark([0.0, None, 0.01, 50.0, 100.0], Paper(unicode=False)) == "_ .=#"
    assert charts.spark([0.0, 0.0], Paper()) == "▁▁"
    assert charts.means([(0.0, 4.0), (1.0, 6.0), (25.0, 1.0), (39.9, 3.0), (40.0, 9.0)], 4, 40.0) == [
        3.0,
        1.0,
        None,
        5.0,
    ]


def test_a_rate_is_unknown_where_redis_went_back_in_time() -> None:
    past = (*QUEUE.past[:30], *(Totals(MIDNIGHT + 15 * at, 7, 0, at, 0, 0, 0, 0) for at in range(30, 60)))
    chart = charts.drawn(past, Paper(200))[2].plain
    assert chart.startswith("accepted/s   ██████████████████████▂▂▂")
    assert charts.drawn(past, Paper(37)) == []


def test_a_chart_goes_back_as_far_as_anything_is_known_and_waits_for_two_minutes() -> None:
    assert [len(charts.drawn(QUEUE.past[:count], Paper(200))) for count in (0, 1, 5)] == [0, 0, 0]
    title, backlog, _ = charts.drawn(QUEUE.past[:9], Paper(200))
    assert (title.plain, backlog.plain) == ("in the last 2 minutes", "backlog     ██████  highest 89,000")
