import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder import config
from forwarder.pipeline.buffer.space import Limits, Space
from forwarder.queue.fleet import Place
from forwarder.queue.sharding import list_name, shard_of
from forwarder.worker.ownership import limits
from forwarder.worker.shares import fair
from tests.support.service import KEY


@given(st.integers(1, 1024), st.integers(1, 64))
def test_all_shares_together_are_all_lists_and_differ_by_one_at_most(lists: int, workers: int) -> None:
    shares = [fair(lists, Place(rank, workers)) for rank in range(workers)]
    assert sum(shares) == lists
    assert max(shares) - min(shares) <= 1


@given(st.integers(1, 64), st.integers(1, 16))
def test_of_a_worker_that_comes_no_other_one_gets_more(lists: int, workers: int) -> None:
    """So no list moves twice."""
    before = [fair(lists, Place(rank, workers)) for rank in range(workers)]
    after = [fair(lists, Place(rank, workers + 1)) for rank in range(workers)]
    assert all(now <= then for then, now in zip(before, after, strict=True))


@given(st.integers(1, 64), st.integers(2, 16), st.data())
def test_of_a_worker_that_leaves_no_other_one_gets_less(lists: int, workers: int, data: st.DataObject) -> None:
    gone = data.draw(st.integers(0, workers - 1))
    for rank in set(range(workers)) - {gone}:
        after = fair(lists, Place(rank - (rank > gone), workers - 1))
        assert after >= fair(lists, Place(rank, workers))


#: The first is the check value that every description of CRC-32 gives; the others are what gzip writes.
@pytest.mark.parametrize(("user", "crc"), [("123456789", 0xCBF43926), ("u-1", 0xDC8F297C), ("é", 0x0E048D3E)])
def test_a_shard_is_the_crc_of_the_id_in_utf_8(user: str, crc: int) -> None:
    assert [shard_of(user, n) for n in (1, 2, 8, 1024)] == [crc % n for n in (1, 2, 8, 1024)]


def test_one_shard_is_the_queue_itself() -> None:
    assert list_name("events", 0, 1) == "events"
    assert [list_name("events", n, 2) for n in range(2)] == ["events:0", "events:1"]


def test_a_buffer_with_less_room_than_it_holds_takes_no_more() -> None:
    space = Space(Limits(100, 10_000, 10, 1_000, 0.0))
    space.bound(Limits(10, 5_000, 10, 1_000, 0.0))
    assert space.room == (10, 5_000)
    space.events = 50
    assert space.room == (0, 5_000)
    assert space.nearly_full


@pytest.mark.parametrize(("lists", "most"), [(1, 10_000), (8, 1_250), (64, 156), (1_024, 100)])
def test_the_users_who_may_back_off_are_divided_among_the_lists(lists: int, most: int) -> None:
    """Each takes 13 kB: with 10,000 for each of 64 lists a worker would take 8 GB."""
    space = Space(limits(config.load({}, api_key=KEY), lists))
    space.backing_off = most - 1
    assert not space.overdrawn
    space.backing_off = most
    assert space.overdrawn
