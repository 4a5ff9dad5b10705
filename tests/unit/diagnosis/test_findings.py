"""What is wrong, the worst first, in words that the page, the commands and the log share."""

import re
from dataclasses import replace

import msgspec
import pytest

from forwarder.diagnosis.facts import Facts, Halted, Own, Setup
from forwarder.diagnosis.findings import findings, of_process
from forwarder.diagnosis.states import outlook
from forwarder.diagnosis.trend import Trend
from forwarder.outcome import HaltReason
from forwarder.queue.about import About, Silence
from forwarder.worker.condition import State

SETUP = Setup(api="https://api.example.com/v6", key_file="/run/secrets/api-key")
BUSY = About("a:1", version="1", state="delivering", lists=1, accepted=120.0)
WELL = Facts(workers=(BUSY,), waiting=900, claimed=100, letters=0, trend=Trend(to_go=720.0), setup=SETUP)
DOWN = Silence(40.0, "503", 22.0, outage=True)
AT_REST = replace(WELL, workers=(msgspec.structs.replace(BUSY, state="halted", lists=0),))
HALT = Halted(HaltReason.CREDENTIALS, "the API answered 401", "2026-01-01T00:00:00Z", named=True)

#: What is wrong, by the reason that is then the first one.
WRONG: dict[str, Facts] = {
    "credentials": replace(AT_REST, halt=HALT),
    "misdirected": replace(AT_REST, halt=replace(HALT, reason=HaltReason.MISDIRECTED)),
    "dead_letter_brake": replace(AT_REST, halt=replace(HALT, reason=HaltReason.DEAD_LETTER_BRAKE, named=False)),
    "halted": replace(AT_REST, halt=replace(HALT, reason="tuesday", named=False)),
    "redis": replace(WELL, own=Own("delivering", redis=("Redis refused the connection", "start it"))),
    "defect": replace(WELL, own=Own("delivering", defect="the monitor has failed")),
    "no_worker": replace(WELL, workers=(), ownerless=1),
    "no_owner": replace(WELL, ownerless=1),
    "orphan": replace(WELL, orphans={"events": 12.0}),
    "redis_full": replace(WELL, memory=0.995),
    "outage": replace(WELL, workers=(About("a:1", lists=1, silence=DOWN),)),
    "silent": replace(WELL, workers=(About("a:1", lists=1, silence=Silence(40.0, "503", 22.0)),)),
    "brake_near": replace(WELL, workers=(About("a:1", lists=1, refused=(62, 100)),)),
    "refusals": replace(WELL, letters=9, trend=Trend(accepted=9.0, refused=1.0, letters=9)),
    "letters": replace(WELL, letters=9, trend=Trend(accepted=999.0, refused=1.0, letters=9)),
    "late": replace(WELL, oldest=720.0),
    "rolled_back": replace(WELL, rolled_back=True, imbalance=2),
    "imbalance": replace(WELL, imbalance=2),
    "stale": replace(WELL, own=Own("delivering", redis_age=12.0)),
}


def reasons(facts: Facts) -> list[str]:
    return [each.reason for each in findings(facts)]


@pytest.mark.parametrize("reason", WRONG)
def test_what_is_wrong_comes_first_and_says_what_to_do(reason: str) -> None:
    first, *rest = findings(WRONG[reason])
    assert first.reason == reason
    assert first.tone in ("warn", "bad")
    assert first.title
    assert first.sentence.endswith(".")
    assert first.steps or reason == "stale"
    assert first.anchor == reason.replace("_", "-")
    assert not any(each.reason == reason for each in rest)
    assert not any(char.isdigit() for char in first.title + first.sentence), "a screen reader would repeat them"
    assert [each.tone for each in rest if each.tone == "good"] == [] if first.stops else ["good"]


def test_green_appears_only_when_all_is_well() -> None:
    first, *rest = findings(WELL)
    assert (first.reason, first.tone, first.detail) == ("delivering", "good", "The backlog is gone in about 12 min.")
    assert not rest
    nothing_left = replace(WELL, waiting=0, claimed=0)
    assert reasons(nothing_left) == ["delivering"], "it has just delivered: one event a second must not make it flicker"
    assert reasons(replace(nothing_left, workers=(About("a:1", lists=1, accepted=0.0),))) == ["idle"]


def test_what_keeps_the_service_from_its_work_says_that_the_events_are_safe() -> None:
    found = [findings(facts)[0] for facts in WRONG.values()]
    safe = [each.title for each in found if each.stops and not re.search(r"(?i)\blost\b|in redis", each.sentence)]
    assert not safe, "somebody who reads this at night must not have to ask"


def test_the_steps_for_a_refused_key_name_only_the_place_where_it_is() -> None:
    of_file = findings(WRONG["credentials"])[0].steps
    assert not any("FORWARDER_API_KEY`" in step for step in of_file)
    unknown = findings(replace(WRONG["credentials"], setup=replace(SETUP, key_file="")))[0].steps
    assert any("FORWARDER_API_KEY`" in step for step in unknown)


@pytest.mark.parametrize("state", State)
def test_every_state_of_a_worker_has_words(state: State) -> None:
    if state is not State.HALTED:
        found = of_process(Own(state), SETUP)
        assert found.tone == ("good" if state is State.DELIVERING else "calm")
        assert found.title
        assert found.sentence
        assert findings(replace(WELL, own=Own(state)))[0].title == found.title


def test_a_halt_says_first_what_ends_it_and_last_resume() -> None:
    for reason in HaltReason:
        steps = findings(replace(WELL, halt=replace(HALT, reason=reason)))[0].steps
        assert "forwarder resume" not in steps[0], "it would halt again at once"
        assert "forwarder resume" in steps[-1]
    assert "`/run/secrets/api-key`" in findings(WRONG["credentials"])[0].steps[0]
    assert "https://api.example.com/v6" in findings(WRONG["misdirected"])[0].steps[0]
    foreign = findings(replace(WELL, halt=Halted(HaltReason.MISDIRECTED, "no event", "")))[0]
    assert "FORWARDER_QUEUE" in foreign.steps[0]


@pytest.mark.parametrize("reason", ["misdirected", "credentials"])
def test_a_halt_over_answers_names_the_proxy_where_one_is_configured(reason: str) -> None:
    proxied = replace(WRONG[reason], setup=replace(SETUP, proxy="http://10.0.0.7:3128"))
    (step,) = (each for each in findings(proxied)[0].steps if "`FORWARDER_API_PROXY`" in each)
    assert "http://10.0.0.7:3128" in step
    assert "FORWARDER_API_PROXY" not in findings(WRONG[reason])[0].remedy
    foreign = replace(proxied, halt=Halted(HaltReason.MISDIRECTED, "no event", ""))
    assert "FORWARDER_API_PROXY" not in findings(foreign)[0].remedy


def test_a_halt_that_names_the_key_of_others_does_not_say_that_nothing_is_sent() -> None:
    """Example: the key is rotated, and some workers are restarted with the new one."""
    for reason in ("credentials", "misdirected"):
        one_of_two = replace(WRONG[reason], workers=(*WRONG[reason].workers, BUSY))
        for facts in (one_of_two, replace(one_of_two, own=Own("delivering", name=BUSY.name))):
            first, second = findings(facts)
            assert (first.reason, first.tone, second.reason) == (reason, "bad", "delivering")
            assert first.title.startswith("Some workers are halted: ")
            assert first.sentence == "Other workers use another key or address. They go on."
            assert first.steps == findings(WRONG[reason])[0].steps
    brake = WRONG["dead_letter_brake"]
    assert findings(replace(brake, workers=(*brake.workers, BUSY)))[0].stops, "that one is meant for everybody"


def test_the_words_of_a_halt_are_sentences() -> None:
    for detail in ("the API answered 401: the key is refused", "is FORWARDER_API_URL right?", ""):
        found = findings(replace(WELL, halt=replace(HALT, detail=detail)))[0].detail
        assert (found[:1].islower(), found[-1:] in (".", "?", "")) == (False, True), found


def test_what_a_halted_worker_has_seen_does_not_warn_of_the_halt_that_has_just_ended() -> None:
    worker = About("a:1", state="halted", lists=1, refused=(100, 100))
    assert reasons(replace(WELL, workers=(worker,))) == ["delivering"]


def test_dead_letters_are_not_news_beside_the_halt_that_they_caused() -> None:
    assert reasons(replace(WRONG["dead_letter_brake"], letters=9, trend=Trend(letters=9))) == ["dead_letter_brake"]
    assert reasons(replace(WRONG["credentials"], letters=9, trend=Trend(letters=9))) == ["credentials", "letters"]


def test_nothing_is_delivered_while_the_only_owner_is_gone() -> None:
    assert reasons(WRONG["orphan"]) == ["orphan"]
    assert reasons(replace(WRONG["orphan"], own=Own("standing by"))) == ["orphan"], "that one takes over if it dies"
    assert reasons(replace(WRONG["orphan"], lists=2)) == ["orphan", "delivering"]
    assert "by itself" in findings(WRONG["orphan"])[0].steps[0]
    assert "forwarder run" in findings(replace(WRONG["orphan"], workers=()))[0].steps[0]


def test_a_halt_that_the_process_knows_before_redis_does_is_shown_once() -> None:
    assert reasons(replace(WELL, own=Own("halted", halt=HALT))) == ["credentials"]
    assert reasons(replace(WELL, own=Own("halted", halt=HALT), halt=HALT)) == ["credentials"]


def test_the_worst_comes_first_and_the_state_after_it() -> None:
    full_and_refused = replace(WELL, memory=0.995, letters=9, trend=Trend(letters=9), imbalance=1)
    assert reasons(full_and_refused) == ["redis_full", "letters", "imbalance", "delivering"]
    assert findings(replace(WELL, memory=0.91))[0].tone == "warn"
    assert reasons(replace(WELL, memory=0.89)) == ["delivering"]


@pytest.mark.parametrize("reason", ["credentials", "redis", "no_worker", "outage", "silent"])
def test_late_events_are_not_news_where_the_cause_is_shown(reason: str) -> None:
    assert "late" not in reasons(replace(WRONG[reason], oldest=9_999.0))


def test_an_outage_says_for_how_long_why_and_when_the_next_try_is() -> None:
    found = findings(WRONG["outage"])[0]
    assert found.detail == "The API has accepted nothing for 40 s (503). Next try in 22 s."
    assert "`forwarder retry`" in found.steps[-1]
    mine = of_process(Own("delivering", silence=DOWN), SETUP)
    assert mine == found
    assert of_process(Own("delivering", silence=Silence(4.9, "503", 1.0, outage=True)), SETUP).tone == "good"
    assert of_process(Own("standing by", silence=DOWN), SETUP).tone == "calm"


def test_an_outage_that_only_one_worker_sees_names_how_many_and_stops_nothing() -> None:
    others = (BUSY, About("b:1", lists=1, silence=DOWN), About("c:1", state="standing by"))
    first, second = findings(replace(WELL, workers=others))
    assert (first.reason, second.reason) == ("outage", "delivering")
    assert first.detail.endswith("This concerns 1 of 2 workers.")
    its_page = findings(replace(WELL, workers=others, own=Own("delivering", name="b:1", silence=DOWN)))
    assert its_page == (first, second), "the page of that worker says the same"
    soon = (BUSY, About("b:1", lists=1))
    assert findings(replace(WELL, workers=soon, own=Own("delivering", name="b:1", silence=DOWN)))[0] == first


def test_an_outage_concerns_all_if_the_others_have_nothing_to_send() -> None:
    idle = About("b:1", state="delivering", lists=1, accepted=0.0)
    assert reasons(replace(WELL, workers=(About("a:1", lists=1, silence=DOWN), idle))) == ["outage"]


@pytest.mark.parametrize(
    ("cause", "first"),
    [
        ("dns", "FORWARDER_API_URL"),
        ("tls", "certificate"),
        ("refused", "nothing listens"),
        ("timeout", "network"),
        ("429", "another client"),
        ("503", "vendor"),
        ("other", "vendor"),
    ],
)
def test_what_to_look_at_in_an_outage_depends_on_its_cause(cause: str, first: str) -> None:
    silence = Silence(40.0, cause, None, outage=True)
    found = findings(replace(WELL, workers=(About("a:1", lists=1, silence=silence),)))[0]
    assert first in found.steps[0]
    assert "Next try" not in found.detail


def test_late_events_come_with_the_time_that_is_left() -> None:
    (late, _) = findings(WRONG["late"])
    assert late.detail == "The oldest event is 12 min old."
    assert late.steps == ("Wait: the backlog is gone in about 12 min.",)
    (late, _) = findings(replace(WRONG["late"], trend=Trend()))
    assert "`forwarder status`" in late.steps[0]
    assert reasons(replace(WELL, oldest=299.0)) == ["delivering"]


def test_events_of_a_user_who_fails_are_late_although_the_api_is_fast_enough() -> None:
    (late, _) = findings(replace(WELL, oldest=720.0, trend=Trend(accepted=170.0, turnover=6.0)))
    assert (late.reason, late.title) == ("late", "Some events are late")
    assert "a few users fail" in late.sentence
    assert not any("rate" in step for step in late.steps)
    (late, _) = findings(replace(WELL, oldest=720.0, trend=Trend(accepted=1.0, turnover=600.0)))
    assert late.title == "Events are late"


def test_old_dead_letters_are_not_news() -> None:
    assert reasons(replace(WELL, letters=3_000)) == ["delivering"]
    assert reasons(replace(WELL, letters=0, trend=Trend(letters=5))) == ["delivering"], "all are replayed"


def test_keys_of_somebody_else_are_a_hint_that_names_them_below_the_state() -> None:
    *_, hint = findings(replace(WELL, foreign=("{events}:past", "{a b}:about")))
    assert hint.reason == "foreign_keys"
    assert "{events}:past, {a b}:about" in hint.detail
    assert "`redis-cli DEL '{events}:past' '{a b}:about'`" in hint.steps[0]
    assert findings(replace(WELL, foreign=("{events}:past",)))[0].reason == "delivering"


def test_workers_of_different_versions_are_a_hint_below_the_state() -> None:
    deploy = replace(WELL, workers=(BUSY, About("b:1", version="2", lists=0)))
    assert reasons(deploy) == ["delivering", "versions"]
    assert findings(deploy)[1].anchor is None


def test_nothing_known_is_not_green_for_redis_that_never_answered() -> None:
    assert reasons(Facts(own=Own("starting", redis_age=None)))[0] == "stale"


def test_a_queue_that_nobody_has_pushed_to_says_how_to_push_an_event() -> None:
    facts = replace(WELL, waiting=0, claimed=0, untouched=True, setup=replace(SETUP, queue="my events"))
    (found,) = findings(facts)
    assert (found.reason, found.tone, found.anchor) == ("idle", "good", None)
    assert "| FORWARDER_QUEUE='my events' forwarder push`" in found.steps[0]
    assert findings(replace(facts, untouched=False))[0].steps == ()


@pytest.mark.parametrize(
    ("trend", "said"),
    [
        (Trend(), ""),
        (Trend(to_go=720.0), "gone in about 12 min"),
        (Trend(pushed=130.0, accepted=100.0, turnover=90.0), "growing by 30/s"),
        (Trend(pushed=100.0, replayed=30.0, accepted=90.0, refused=10.0), "growing by 30/s"),
        (Trend(pushed=5_000.0, accepted=100.0, turnover=90.0, burst=True), "events were just pushed"),
        (Trend(pushed=0.0, accepted=0.0), "not going down"),
        (Trend(pushed=1_200.0, accepted=1_200.0, turnover=0.1), "keeping up"),
    ],
)
def test_the_outlook_of_a_backlog(trend: Trend, said: str) -> None:
    assert outlook(replace(WELL, trend=trend)) == said
    assert outlook(replace(WELL, trend=trend, waiting=0, claimed=0)) == "nothing waits"
    assert outlook(replace(WELL, trend=trend, waiting=None)) == ""
