"""The measurement of what a push with a key costs, in small."""

from tests.programs.bench.push_cost import AUTOMATIC, OWN, PLAIN, bytes_of_a_marker, measure


def test_each_kind_of_push_is_measured_beside_a_plain_one() -> None:
    costs = measure(rounds=1, scale=0.02)
    assert [(cost.events, cost.kind) for cost in costs] == [
        (size, kind) for size in (1, 100) for kind in (PLAIN, AUTOMATIC, OWN)
    ]
    plain, automatic, own = costs[:3]
    assert plain.times_plain == 1
    assert automatic.aof - plain.aof > 100, "the marker is in the file"
    assert own.aof - plain.aof > 100
    assert all(1 <= cost.round_trips < 1.5 for cost in costs), "one round trip for each push"


def test_the_memory_of_a_marker_is_measured() -> None:
    assert all(50 < size < 400 for size in bytes_of_a_marker(2_000).values())
