import pytest

from forwarder.pipeline.brake import Brake


def let_through(brake: Brake, refusals: int) -> int:
    """How many of so many refusals in a row become dead letters before one must stay claimed."""
    for count in range(refusals):
        if brake.refused():
            return count
    return refusals


def test_the_eightieth_refusal_of_a_hundred_stays_claimed() -> None:
    assert let_through(Brake(100), 100) == 79


@pytest.mark.parametrize(("window", "through"), [(1, 0), (5, 3), (10, 7), (1000, 799)])
def test_it_trips_at_four_fifths_of_any_window(window: int, through: int) -> None:
    assert let_through(Brake(window), window) == through


def test_what_tripped_it_is_not_counted_so_that_it_stays_tripped() -> None:
    brake = Brake(10)
    let_through(brake, 10)
    assert [brake.refused() for _ in range(20)] == [True] * 20


def test_scattered_refusals_never_trip_it() -> None:
    brake = Brake(100)
    for _ in range(1000):
        assert not brake.refused()
        brake.accepted(1)


def test_seventy_nine_of_every_hundred_are_borne_for_ever() -> None:
    brake = Brake(100)
    for _ in range(50):
        assert let_through(brake, 79) == 79
        brake.accepted(21)


def test_only_the_last_of_the_window_count() -> None:
    brake = Brake(10)
    brake.accepted(1_000_000)
    assert let_through(brake, 10) == 7, "no credit is saved up from better times"


def test_old_refusals_leave_the_window_as_new_decisions_enter() -> None:
    brake = Brake(10)
    let_through(brake, 7)
    brake.accepted(10)
    assert let_through(brake, 10) == 7


def test_the_oldest_refusal_makes_room_for_the_newest() -> None:
    brake = Brake(10)
    let_through(brake, 7)
    brake.accepted(3)
    assert not brake.refused(), "seven of ten, whichever they are"
    assert let_through(brake, 6) == 6, "each new refusal pushes an old one out"


def test_a_window_of_nothing_switches_it_off() -> None:
    brake = Brake(0)
    brake.accepted(3)
    assert let_through(brake, 10_000) == 10_000


def test_allowed_refusals_go_through_a_tripped_brake_and_not_one_more() -> None:
    brake = Brake(10)
    let_through(brake, 10)
    brake.allow(3)
    assert let_through(brake, 10) == 3


def test_allowances_add_up() -> None:
    brake = Brake(10)
    let_through(brake, 10)
    brake.allow(2)
    brake.allow(3)
    assert let_through(brake, 10) == 5


def test_allowed_refusals_are_not_counted() -> None:
    brake = Brake(10)
    brake.allow(100)
    assert let_through(brake, 200) == 107


def test_after_forgetting_the_window_is_empty() -> None:
    brake = Brake(10)
    let_through(brake, 10)
    brake.forget()
    assert let_through(brake, 10) == 7
