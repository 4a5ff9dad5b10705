"""What belongs to everybody, as every process shows it."""

from forwarder.metrics import Metrics
from forwarder.monitor.gauges import Gauges
from forwarder.queue.census import Census, Memory


def a_list(waiting: int = 0, claimed: int = 0, letters: int = 0, sequence: int = 0) -> Census:
    return Census(
        waiting,
        claimed,
        lease=None,
        lease_milliseconds=0,
        sequence=sequence,
        settlement=0,
        accepted=sequence - claimed - letters,
        dead_lettered=letters,
        replayed=0,
        deleted=0,
        letters=letters,
    )


class Shown:
    """Gauges whose clock stands still until it is set."""

    def __init__(self, lists: int) -> None:
        self.now = 0.0
        self.metrics = Metrics()
        self.gauges = Gauges(self.metrics, lists, lambda: self.now)

    def counted(self, *censuses: Census) -> None:
        self.gauges.counted(censuses, self.now)

    def __getitem__(self, name: str) -> float:
        return self.metrics.values()[name][""]


def test_the_lists_are_added_up_and_the_oldest_of_any_counts() -> None:
    shown = Shown(2)
    shown.counted(a_list(waiting=5), a_list())
    shown.now = 30.0
    shown.counted(a_list(waiting=5), a_list(waiting=2, claimed=3, letters=1, sequence=9))
    assert shown["queue_waiting_events"] == 7
    assert shown["backlog_events"] == 7 + shown["claimed_events"]
    assert shown["claimed_events"] == 3
    assert shown["dead_letters"] == 1
    assert shown["imbalance_events"] == 0
    assert shown["oldest_waiting_age_seconds"] == 30


def test_an_imbalance_of_one_list_is_not_made_up_for_by_another() -> None:
    shown = Shown(2)
    more, less = a_list(sequence=9), a_list(sequence=9)
    object.__setattr__(more, "accepted", 10)
    object.__setattr__(less, "accepted", 8)
    shown.counted(more, less)
    assert shown["imbalance_events"] == 2


def test_the_fullest_server_is_shown_until_nobody_hears_of_it_any_more() -> None:
    shown = Shown(1)
    shown.gauges.measured(Memory("small", 90, 100))
    shown.gauges.measured(Memory("large", 500, 1_000))
    assert (shown["redis_used_memory_bytes"], shown["redis_max_memory_bytes"]) == (90, 100)
    shown.gauges.measured(Memory("small", 10, 100))
    assert (shown["redis_used_memory_bytes"], shown["redis_max_memory_bytes"]) == (500, 1_000)
    shown.now = 3_600.0
    shown.gauges.measured(Memory("small", 10, 100))
    assert (shown["redis_used_memory_bytes"], shown["redis_max_memory_bytes"]) == (10, 100)


def test_a_server_that_does_not_say_how_much_it_may_use_does_no_harm() -> None:
    shown = Shown(1)
    shown.gauges.measured(Memory("", 0, 0))
    assert (shown["redis_used_memory_bytes"], shown["redis_max_memory_bytes"]) == (0, 0)
