"""The demo's verdict: it must not praise a forwarder that loses, doubles, misplaces or reorders."""

import json
from collections.abc import Iterable

import pytest

from forwarder.demo.check import Purchases, Seen, plan, verdict
from forwarder.queue.census import Census

Entry = tuple[str, int, int]


def _sound(planned: Purchases) -> list[Entry]:
    """(user, POST, id) of every good event, one POST per user, from 1."""
    users = enumerate(planned.good.items(), 1)
    return [(user, post, number) for post, (user, ids) in users for number in ids]


def _broken(
    planned: Purchases, ledger: Iterable[Entry], *, ambiguous: int = 0, letters: Iterable[int] = ()
) -> list[bool]:
    """Whether each check fails, in the order they are shown."""
    seen = Seen(metrics=f"forwarder_posts_ambiguous_total {ambiguous}.0\n")
    for user, post, number in ledger:
        seen.accept(json.dumps({"user": user, "post": post, "event": {"demo_id": number}}).encode())
    seen.dead = {"invalid": [*planned.invalid, *letters], "rejected": [*planned.refused]}
    count = sum(map(len, seen.dead.values()))
    sequence = len(planned.elements)
    census = Census(0, 0, None, 0, sequence, 1, sequence - count, count, 0, 0, count)
    return [not check.holds for check in verdict(planned, seen, census)]


MISSING, ORDER, DOUBLED, DEAD, _ = range(5)


@pytest.mark.parametrize("faults", [False, True])
def test_a_sound_run_passes(faults: bool) -> None:  # noqa: FBT001 - a parameter of the test
    planned = plan(600, faults=faults)
    assert not any(_broken(planned, _sound(planned)))


def test_one_missing_event_is_noticed_and_is_not_called_disorder() -> None:
    planned = plan(600, faults=False)
    broken = _broken(planned, _sound(planned)[1:])
    assert (broken[MISSING], broken[ORDER]) == (True, False)


def test_two_events_of_a_user_in_the_wrong_order_are_noticed() -> None:
    planned = plan(600, faults=False)
    ledger = _sound(planned)
    first = next(i for i in range(len(ledger)) if ledger[i][0] == ledger[i + 1][0])
    ledger[first], ledger[first + 1] = ledger[first + 1], ledger[first]
    assert _broken(planned, ledger)[ORDER]


@pytest.mark.parametrize(
    ("post", "ambiguous", "broken"),
    [(1, 0, True), (1, 9, True), (9999, 0, True), (9999, 1, False)],
    ids=["within one POST", "within one POST beside lost answers", "no answer was lost", "an answer was lost"],
)
def test_an_event_that_came_twice_is_only_explained_by_a_lost_answer(
    post: int,
    ambiguous: int,
    broken: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    planned = plan(600, faults=False)
    ledger = _sound(planned)
    user, _, number = ledger[0]
    assert _broken(planned, [*ledger, (user, post, number)], ambiguous=ambiguous)[DOUBLED] is broken


def test_an_event_sent_to_a_stranger_as_well_is_noticed() -> None:
    planned = plan(600, faults=False)
    ledger = _sound(planned)
    assert _broken(planned, [*ledger, ("stranger", 9999, ledger[0][2])])[MISSING]


def test_a_refused_event_that_was_accepted_as_well_is_noticed() -> None:
    planned = plan(600, faults=True)
    ledger = _sound(planned)
    assert _broken(planned, [*ledger, (ledger[0][0], 9999, min(planned.refused))])[MISSING]


def test_a_dead_letter_too_many_is_noticed() -> None:
    planned = plan(600, faults=True)
    assert _broken(planned, _sound(planned), letters=[min(planned.invalid)])[DEAD]
    assert _broken(planned, _sound(planned), letters=[next(iter(planned.good.values()))[0]])[DEAD]
