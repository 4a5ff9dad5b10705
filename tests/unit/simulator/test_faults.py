import random
from collections import Counter

import msgspec
import pytest
from pydantic import ValidationError

from forwarder.simulator.faults import Answer, Faults
from forwarder.simulator.problems import problems
from forwarder.simulator.script import Cut, Script


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def script(faults: Faults, clock: Clock | None = None, seed: int = 0) -> Script:
    return Script(faults, seed=seed, clock=clock or Clock())


@pytest.fixture
def seed() -> int:
    drawn = random.randrange(1 << 32)
    print("seed", drawn)
    return drawn


def raw(*events: bytes) -> list[msgspec.Raw]:
    return [msgspec.Raw(event) for event in events]


def status(outcome: Answer | Cut | None) -> int | Cut | None:
    return outcome.status if isinstance(outcome, Answer) else outcome


def statuses(play: Script, count: int, user: str = "u") -> list[int | Cut | None]:
    return [status(play.before_accepting(user, ())) for _ in range(count)]


EVERYTHING = """{
    "latency": 0.1, "latency_jitter": 0.2,
    "statuses": [{"status": 503, "rate": 0.1, "retry_after": 3},
                 {"status": 302, "rate": 0.1, "location": "/"}],
    "users": {"u-1": {"status": 500, "times": 2, "body": "oops", "content_type": "text/plain"}},
    "refuse": [{"name": "bad"}, {"member": "poison"}],
    "hang_rate": 0.1, "reset_before_rate": 0.1, "reset_after_rate": 0.1,
    "outage": {"after": 1, "for": 2, "mode": "hang"},
    "max_rate": 120, "rate_retry_after": "Wed, 21 Oct 2026 07:28:00 GMT",
    "status_all": {"status": 204}, "max_body_bytes": 1000, "max_events": 10
}"""


def test_a_script_survives_the_way_to_json_and_back() -> None:
    faults = Faults.model_validate_json(EVERYTHING)
    assert Faults.model_validate_json(faults.model_dump_json(by_alias=True)) == faults
    assert '"outage":{"after":1.0,"for":2.0,' in faults.model_dump_json(by_alias=True)
    assert faults.outage is not None
    assert faults.outage.for_ == 2


#: Scripts that make no sense, and what is said of each.
NONSENSE = {
    "nonsense": "the script is not JSON: expected ident at line 1 column 2",
    "[]": "the script: [] is not an object",
    '{"latencies": 1}': "latencies: there is no such member; did you mean latency?",
    '{"latency": -1}': "latency: -1 is below the minimum of 0",
    '{"latency": "slow"}': "latency: 'slow' is not a number",
    '{"latency": 1e999}': "latency: inf is not a finite number",
    '{"hang_rate": 1.1}': "hang_rate: 1.1 is above the maximum of 1",
    '{"statuses": 503}': "statuses: 503 is not an array",
    '{"statuses": [503]}': "statuses.0: 503 is not an object",
    '{"statuses": [{"status": 503}]}': "statuses.0.rate is missing",
    '{"statuses": [{"status": 503, "rate": 0.6}, {"status": 500, "rate": 0.6}]}': (
        "the script: the rates of statuses add up to more than 1"
    ),
    '{"status_all": {"status": 202}}': (
        "status_all.status: 202 cannot be scripted: it would claim that the API registered events that it did not"
    ),
    '{"status_all": {"status": 99}}': "status_all.status: 99 is below the minimum of 200",
    '{"status_all": {"status": 503.5}}': "status_all.status: 503.5 is not an integer",
    '{"status_all": {"status": "many"}}': "status_all.status: 'many' is not an integer",
    '{"status_all": {"status": 302, "location": "/\\r\\nX: y"}}': (
        "status_all.location: '/\\r\\nX: y' has a character that no header may have"
    ),
    '{"status_all": {"status": 503, "body": 7}}': "status_all.body: 7 is not a string",
    '{"users": ["u"]}': "users: ['u'] is not an object",
    '{"users": {"u": {"status": 503, "times": -1}}}': "users.u.times: -1 is below the minimum of 0",
    '{"users": {"u": {"status": 503, "rate": 0.5}}}': "users.u.rate: there is no such member",
    '{"refuse": [{}]}': "refuse.0: a refusal needs a name or a member",
    '{"outage": {"after": 1}}': "outage.for is missing",
    '{"outage": {"for": 0}}': "outage.for: 0 is not more than 0",
    '{"outage": {"for": 1, "mode": "nap"}}': "outage.mode: 'nap' is not one of '503', 'refuse' or 'hang'",
    '{"max_rate": "120/s"}': "max_rate: '120/s' is not an integer",
}


@pytest.mark.parametrize("script", NONSENSE)
def test_a_script_that_makes_no_sense_is_refused_in_words_that_name_the_member(script: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Faults.model_validate_json(script)
    assert problems(raised.value) == [NONSENSE[script]]


def test_every_problem_has_a_line_and_a_long_value_is_cut() -> None:
    with pytest.raises(ValidationError) as raised:
        Faults.model_validate({"latency": "x" * 100, "max_rate": -1, "rate_retry_after": []})
    long, rate, *after = problems(raised.value)
    assert long == f"latency: '{'x' * 39}… is not a number"
    assert rate == "max_rate: -1 is below the minimum of 0"
    assert all(line.startswith("rate_retry_after: [] is not ") for line in after)


def test_nothing_happens_without_faults() -> None:
    play = script(Faults())
    assert play.for_everybody() is None
    assert play.before_accepting("u", raw(b'{"name":"a"}')) is None
    assert not play.resets_after_accepting()
    assert not play.refuses_connections()
    assert play.delay() == 0


def test_each_status_gets_its_share(seed: int) -> None:
    play = script(
        Faults.model_validate({"statuses": [{"status": 500, "rate": 0.2}, {"status": 503, "rate": 0.5}]}),
        seed=seed,
    )
    counts = Counter(statuses(play, 10_000))
    # Five standard deviations of a share of 10,000 draws are at most 250.
    assert counts[500] == pytest.approx(2_000, abs=250)
    assert counts[503] == pytest.approx(5_000, abs=250)
    assert counts[None] == pytest.approx(3_000, abs=250)


def test_the_same_seed_plays_the_same_faults(seed: int) -> None:
    faults = Faults.model_validate({"statuses": [{"status": 500, "rate": 0.5}]})
    assert statuses(script(faults, seed=seed), 200) == statuses(script(faults, seed=seed), 200)
    assert statuses(script(faults, seed=seed), 200) != statuses(script(faults, seed=seed + 1), 200)


def test_a_user_fails_as_often_as_told_and_alone() -> None:
    play = script(Faults.model_validate({"users": {"a": {"status": 500, "times": 2}, "b": {"status": 404}}}))
    assert statuses(play, 4, "a") == [500, 500, None, None]
    assert statuses(play, 4, "b") == [404] * 4
    assert statuses(play, 4, "c") == [None] * 4


def test_loading_a_script_starts_its_counts_anew() -> None:
    faults = Faults.model_validate({"users": {"a": {"status": 500, "times": 1}}})
    play = script(faults)
    assert statuses(play, 2, "a") == [500, None]
    play.load(faults)
    assert statuses(play, 2, "a") == [500, None]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'{"name":"bad"}', 400),
        (b'{"name":"b\\u0061d"}', 400),
        (b'{"name":"good","poison":null}', 400),
        (b'{"name":"good","nested":{"poison":1,"name":"bad"}}', None),
        (b'{"name":"poison","other":"bad"}', None),
    ],
)
def test_a_refusal_goes_by_the_name_or_a_top_level_member(event: bytes, expected: int | None) -> None:
    play = script(Faults.model_validate({"refuse": [{"name": "bad"}, {"member": "poison"}]}))
    assert status(play.before_accepting("u", raw(b'{"name":"fine"}', event))) == expected


def test_the_rate_counts_each_second_anew() -> None:
    clock = Clock()
    play = script(Faults(max_rate=2, rate_retry_after=7), clock)
    assert statuses(play, 4) == [None, None, 429, 429]
    clock.now += 0.9
    assert statuses(play, 1) == [429]
    clock.now += 0.1
    assert statuses(play, 3) == [None, None, 429]
    answer = play.before_accepting("u", ())
    assert answer is not None
    assert answer.retry_after == 7


def test_an_outage_is_a_window_counted_from_the_last_start() -> None:
    clock = Clock()
    play = script(Faults.model_validate({"outage": {"after": 10, "for": 5}}), clock)

    def looks(*seconds: float) -> list[int | Cut | None]:
        began = clock.now
        seen = []
        for second in seconds:
            clock.now = began + second
            seen.append(status(play.for_everybody()))
        return seen

    assert looks(0, 9.5, 10, 14.5, 15) == [None, None, 503, 503, None]
    play.restart()
    assert looks(0, 9.5, 10, 14.5, 15) == [None, None, 503, 503, None]


def test_an_outage_can_hang_or_refuse() -> None:
    hanging = script(Faults.model_validate({"outage": {"for": 5, "mode": "hang"}}))
    assert hanging.for_everybody() is Cut.HANG
    assert not hanging.refuses_connections()
    refusing = script(Faults.model_validate({"outage": {"for": 5, "mode": "refuse"}}))
    assert refusing.refuses_connections()


def test_an_outage_comes_before_a_status_for_all_and_that_before_cuts() -> None:
    everything = {"outage": {"for": 5}, "status_all": {"status": 401}, "hang_rate": 1, "reset_before_rate": 1}
    seen = []
    for gone in ("", "outage", "status_all", "hang_rate", "reset_before_rate"):
        everything.pop(gone, None)
        seen.append(status(script(Faults.model_validate(everything)).for_everybody()))
    assert seen == [503, 401, Cut.HANG, Cut.RESET, None]


def test_rate_comes_before_user_and_that_before_chance_and_that_before_refusal() -> None:
    everything = {
        "max_rate": 0,
        "users": {"u": {"status": 500}},
        "statuses": [{"status": 503, "rate": 1}],
        "refuse": [{"name": "a"}],
    }
    seen = []
    for gone in ("", "max_rate", "users", "statuses", "refuse"):
        everything.pop(gone, None)
        play = script(Faults.model_validate(everything))
        seen.append(status(play.before_accepting("u", raw(b'{"name":"a"}'))))
    assert seen == [429, 500, 503, 400, None]


def test_jitter_only_adds_to_the_latency(seed: int) -> None:
    play = script(Faults(latency=1, latency_jitter=0.5), seed=seed)
    delays = [play.delay() for _ in range(1000)]
    assert min(delays) >= 1
    assert max(delays) <= 1.5
    assert max(delays) - min(delays) > 0.25
