import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.claim_ids import ClaimIds, ScannedIds

STAMP = 1_473_552_000_000_000
ids = st.tuples(st.integers(1, 200), st.integers(STAMP, STAMP + 3), st.integers(0, 50))


def filled(count: int, size: int = 10) -> ClaimIds:
    found = ClaimIds()
    found.extend(range(count), [STAMP] * count, [size] * count)
    return found


@given(st.lists(st.lists(ids, max_size=20), max_size=6), st.integers(1, 7), st.integers(0, 100))
def test_scanned_ids_come_out_by_age_each_once_and_as_many_as_fit(
    pages: list[list[tuple[int, int, int]]], most: int, most_bytes: int
) -> None:
    sizes = {(number, stamp): size for page in pages for number, stamp, size in page}
    scanned = ScannedIds()
    for page in pages:
        scanned.add([(number, stamp, sizes[number, stamp]) for number, stamp, _ in page])
    out = []
    while scanned:
        taken = scanned.take(most, most_bytes)
        total = sum(sizes[each] for each in taken)
        assert 1 <= len(taken) <= most
        assert total <= most_bytes or len(taken) == 1
        out += taken
    assert out == sorted(sizes)
    assert scanned.take(most, most_bytes) == []


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(1, 60)), max_size=30),
    st.integers(1, 7),
    st.integers(0, 100),
)
def test_a_queue_of_ids_is_a_list_that_grows_at_both_ends(
    steps: list[tuple[bool, int, int]], most: int, most_bytes: int
) -> None:
    queue, model = ClaimIds(), list[tuple[int, int, int]]()
    for older, count, size in steps:
        new = [(random.getrandbits(40), STAMP, size)] * count
        columns = list(zip(*new, strict=True)) or [(), (), ()]
        (queue.prepend if older else queue.extend)(*columns)
        model = [*new, *model] if older else [*model, *new]
        if size % 3 == 0:
            expected = 0
            while expected < min(most, len(model)) and (
                not expected or sum(each[2] for each in model[: expected + 1]) <= most_bytes
            ):
                expected += 1
            assert queue.first(most, most_bytes) == (expected, sum(each[2] for each in model[:expected]))
            assert queue.take(most, most_bytes) == [each[:2] for each in model[:expected]]
            del model[:expected]
        assert len(queue) == len(model)


def test_an_id_takes_twenty_bytes() -> None:
    queue = filled(100_000)
    held = sum(sys.getsizeof(each) for each in (queue._numbers, queue._stamps, queue._sizes))
    assert held < 2_300_000, "an array keeps an eighth for its growth"


@pytest.mark.parametrize("most", [4_096, 99_999])
def test_what_is_taken_leaves_memory(most: int) -> None:
    queue = filled(100_000)
    while len(queue) > 1:
        queue.take(most)
    assert len(queue._numbers) <= 4_097
