"""What `forwarder status` prints: for a script its JSON, for a person how the queue stands."""

import msgspec
import pytest

from forwarder.cli import status as command
from forwarder.diagnosis.facts import Facts
from forwarder.operations.status import ListStatus, Owner, Status
from forwarder.queue.about import About
from forwarder.queue.census import Census
from forwarder.queue.halts import HaltRecord


def census(waiting: int, *, lease: str | None = None) -> Census:
    return Census(
        waiting=waiting,
        claimed=2,
        lease=lease,
        lease_milliseconds=4_200 if lease else 0,
        sequence=9,
        settlement=3,
        accepted=6,
        dead_lettered=1,
        replayed=0,
        deleted=0,
        letters=1,
    )


OWNED = ListStatus("{q}:0", census(1, lease="a-b"), Owner("host:7", 4.2))
FREE = ListStatus("{q}:1", census(1_000), None)
HALT = HaltRecord("credentials", "the API answered 401", "2024-01-01T00:00:00Z", "f")

COUNTS = (
    '"backlog":%s,"waiting":%s,"claimed":%s,"sequence":%s,"accepted":%s,"dead_lettered":%s,'
    '"replayed":0,"deleted":0,"letters":%s'
)


def test_a_script_gets_the_counts_of_the_queue_and_of_each_list() -> None:
    found = Status("q", (OWNED, FREE), (About("host:7"), About("host:8")), HALT, Facts(), ())
    assert msgspec.json.encode(command._json(found)).decode() == (
        f'{{"queue":"q",{COUNTS % (1_005, 1_001, 4, 18, 12, 2, 2)},"lists":['
        f'{{"shard":0,"list":"{{q}}:0",{COUNTS % (3, 1, 2, 9, 6, 1, 1)},'
        '"owner":{"worker":"host:7","lease_seconds":4.2,"alive":true}},'
        f'{{"shard":1,"list":"{{q}}:1",{COUNTS % (1_002, 1_000, 2, 9, 6, 1, 1)},"owner":null}}],'
        '"workers":["host:7","host:8"],'
        '"halt":{"reason":"credentials","detail":"the API answered 401","since":"2024-01-01T00:00:00Z"},'
        '"balanced":true}'
    )


def test_what_is_not_accounted_for_in_one_list_is_not_made_up_for_by_another_one() -> None:
    one_more, one_less = census(0), census(0)
    object.__setattr__(one_more, "accepted", 7)
    object.__setattr__(one_less, "accepted", 5)
    found = Status("q", (ListStatus("a", one_more, None), ListStatus("b", one_less, None)), (), None, Facts(), ())
    assert found.total.imbalance == 0
    assert '"balanced":false' in msgspec.json.encode(command._json(found)).decode()


@pytest.mark.parametrize(
    ("lists", "halt", "state"),
    [
        ((OWNED,), None, "at work"),
        ((OWNED, FREE), None, "1 of 2 lists have no owner"),
        ((FREE, FREE), None, "No worker is running; 2,004 events wait"),
        ((ListStatus("q", census(1), None),), None, "No worker is running; 3 events wait"),
        ((OWNED,), HALT, "halted: credentials since 2024-01-01T00:00:00Z"),
    ],
)
def test_a_person_reads_how_it_stands(
    lists: tuple[ListStatus, ...], halt: HaltRecord | None, state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command._print(Status("q", lists, (), halt, Facts(), ()))
    shown = capsys.readouterr().out
    assert f"state          {state}" in shown
    assert ("host:7, for 4 s more" in shown) == (OWNED in lists)
    assert ("Start one: `forwarder run`" in shown) == ("No worker is running" in state)
    assert ("none" in shown) == any(each.owner is None for each in lists)
    assert ("the API answered 401" in shown) == (halt is not None)
    assert f"backlog        {sum(each.census.waiting + 2 for each in lists):,}" in shown
    assert f"waiting        {sum(each.census.waiting for each in lists):,}" in shown


@pytest.mark.parametrize(("lists", "state"), [((FREE,), "the list"), ((FREE, FREE), "the lists")])
def test_a_worker_that_runs_and_owns_nothing_yet_is_not_called_missing(
    lists: tuple[ListStatus, ...], state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command._print(Status("q", lists, (About("host:7"),), None, Facts(), ()))
    assert f"No worker owns {state}; " in capsys.readouterr().out
