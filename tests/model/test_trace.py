"""The parser of traces takes what the models print, and nothing else."""

import pytest

from tests.model.trace import Schedule, TraceError, Values, schedules


def only(*lines: str) -> Schedule:
    (schedule,) = schedules(lines)
    return schedule


def test_a_line_is_a_typed_step() -> None:
    (step,) = only("> w1 claim token=1 expected=0 most=2 | claimed before=0 stamp=7 events=1,2 waiting=0").steps
    assert (step.actor, step.command, step.list_name) == ("w1", "claim", "a")
    assert step.arguments.all == {"token": 1, "expected": 0, "most": 2}
    assert step.reply == "claimed"
    assert step.values.all == {"before": 0, "stamp": 7, "events": (1, 2), "waiting": 0}


def test_a_line_may_name_its_list_and_have_no_word_in_its_reply() -> None:
    (step,) = only("> w2 scan list=b | fields=1-1,2-1 events=-").steps
    assert (step.list_name, step.reply) == ("b", "")
    assert step.values.all == {"fields": ((1, 1), (2, 1)), "events": ()}


def test_a_state_belongs_to_the_step_before_it() -> None:
    first, second = only("> redis expire", "= waiting=2,1 letters=3,2", "> redis failover").steps
    assert first.states == [Values({"waiting": (2, 1), "letters": (2, 3)})]
    assert not second.states


def test_a_reply_is_received_unless_it_was_lost_or_the_command_came_late() -> None:
    lines = [
        "> w1 renew token=1 | renewed",
        "> w1 renew token=1 | renewed",
        "# reply lost",
        "> late renew token=1 | lost",
    ]
    assert [step.is_received for step in only(*lines).steps] == [True, False, False]


def test_a_walk_begins_a_schedule() -> None:
    lines = ["# walk", "> redis expire", "# POST", "# walk", "# walk", "> redis expire", ""]
    assert [each.lines for each in schedules(lines)] == [["> redis expire", "# POST"], ["> redis expire"]]


@pytest.mark.parametrize(
    "line",
    [
        "w1 renew token=1 | renewed",
        "> w1 renew | renewed",
        "> w1 renew token=1",
        "> w1 renew token=1 | settled",
        "> w1 renew token=one | renewed",
        "> w1 renew token=1 token=1 | renewed",
        "> w1 renew token=1 page=1 | renewed",
        "> w1 renew token=1 | renewed sequence=1",
        "> w1 extend token=1 | renewed",
        "> w1 renew token=1 renewed",
        "> w1 scan | fields=1 events=-",
        "= holder=one",
        "# reply lost",
        "spin: text of failed assertion",
    ],
)
def test_any_other_line_is_an_error(line: str) -> None:
    with pytest.raises(TraceError, match="is not a line of a trace"):
        list(schedules([line]))
