"""Events as list elements, before they are pushed."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import InvalidEventError
from forwarder.producer import SyncProducer
from forwarder.producer.encoding import checked
from tests.support.service import event

NOW = datetime(2016, 9, 11, 18, 4, 23, 456_789, UTC)


def element(given: Any) -> bytes:
    (found,) = checked([given], now=NOW, max_bytes=65_536)
    return found.element


def problem(given: Any) -> str:
    with pytest.raises(InvalidEventError) as refused:
        checked([given], now=NOW, max_bytes=65_536)
    ((position, why),) = refused.value.problems
    assert position == 0
    assert refused.value.why == why
    return why


def test_members_stand_in_the_order_that_the_worker_reads_fastest() -> None:
    given = {"b": 1, "date": None, "name": "n", "a": [1.5, None, True], "user_id": "u"}
    text = b'{"user_id":"u","name":"n","date":"2016-09-11T18:04:23.456Z","b":1,"a":[1.5,null,true]}'
    assert element(given) == text


def test_bytes_are_pushed_as_they_are() -> None:
    for text in (b'{"name": "n", "user_id": 7}', b' {"user_id":"u","name":"n","date":"2016-09-11","x":1.10}'):
        assert element(text) == text


@pytest.mark.parametrize(
    ("date", "text"),
    [
        (datetime(2016, 9, 11, tzinfo=UTC), "2016-09-11T00:00:00Z"),
        (
            datetime(2016, 9, 11, 0, 30, 0, 5, tzinfo=timezone(timedelta(hours=5, minutes=45))),
            "2016-09-10T18:45:00.000005Z",
        ),
        (datetime(1900, 1, 1, tzinfo=timezone(timedelta(minutes=19, seconds=32))), "1899-12-31T23:40:28Z"),
        ("2016-09-11", "2016-09-11"),
        ("2016-09-11 18:04", "2016-09-11 18:04"),
        ("2016-09-11T18:04:23+0200", "2016-09-11T18:04:23+0200"),
    ],
)
def test_a_date_is_a_moment_in_utc_or_text_as_it_is(date: object, text: str) -> None:
    assert json.loads(element({"user_id": "u", "name": "n", "date": date}))["date"] == text


@pytest.mark.parametrize(
    ("user", "shown"),
    [(0, "0"), (-7, "-7"), (2**70, str(2**70)), ("é", "é"), (" ", " "), ("\x00", "\x00"), ('"\\', '"\\')],
)
def test_a_user_is_text_or_an_integer_in_decimal(user: object, shown: str) -> None:
    (found,) = checked([{"user_id": user, "name": "n"}], now=NOW, max_bytes=65_536)
    assert (found.user, json.loads(found.element)["user_id"]) == (shown, shown)


@pytest.mark.parametrize("user", [None, "", True, 1.0, [], {}, ".", "..", "\ud83d"])
def test_anything_else_is_not_a_user(user: object) -> None:
    assert problem({"user_id": user, "name": "n"}).startswith("user_id: ")


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"name": ""}, "name: must be"),
        ({"name": None}, "name: must be"),
        ({"date": datetime(2016, 9, 11)}, "date: a datetime without a time zone"),  # noqa: DTZ001
        ({"date": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))}, "date: not within the years"),
        ({"date": "yesterday"}, "date: must be a string of the form"),
        ({"date": 1473617063}, "date: must be a string of the form"),
        ({"date": NOW.date()}, "date: cannot be written as JSON"),
        ({"price": Decimal("1.10")}, "price: cannot be written as JSON: Object of type Decimal"),
        ({"price": float("nan")}, "price: cannot be written as JSON: Out of range"),
        ({"tags": {1, 2}}, "tags: cannot be written as JSON: Object of type set"),
        ({"text": "x" * 65_536}, "too long: 65606 bytes, at most 65536"),
        ({"deep": json.loads("[" * 98 + "]" * 98)}, "nested too deep"),
        ({"user_id": 10**5_000}, "user_id: cannot be written as JSON"),
    ],
)
def test_the_wrong_member_is_named(members: dict[str, object], why: str) -> None:
    assert problem({"user_id": "u", "name": "n", **members}).startswith(why)


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert problem({"user_id": "u", "name": "n", "loop": loop}).startswith("loop: cannot be written")
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert problem({"user_id": "u", "name": "n", "deep": deep}).startswith("deep: cannot be written")


@pytest.mark.parametrize("given", ["{}", None, 7, [("user_id", "u")]])
def test_only_mappings_and_bytes_are_accepted(given: object) -> None:
    assert problem(given) == f"neither a mapping nor bytes, but {type(given).__name__}"


def test_a_single_mapping_where_many_are_expected_is_noticed() -> None:
    single: Any = {"user_id": "u", "name": "n"}
    with (
        SyncProducer() as producer,
        pytest.raises(InvalidEventError, match=r"event 0: neither .* but str .and 1"),
    ):
        producer.push_many(single)


def test_every_wrong_one_is_named_by_its_position() -> None:
    events: list[Any] = [
        event("u", 0),
        b"nonsense",
        {"user_id": "u"},
        event("u", 1),
        {"user_id": "u", "name": "n", "x": {1}},
    ]
    with pytest.raises(InvalidEventError) as refused:
        checked(events, now=NOW, max_bytes=65_536)
    assert [position for position, _ in refused.value.problems] == [1, 2, 4]
    assert refused.value.not_pushed == (0, 1, 2, 3, 4)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(members=st.dictionaries(st.text(), _VALUES, max_size=4), user=st.text(min_size=1), name=st.text(min_size=1))
def test_whatever_the_members_they_arrive(members: dict[str, Any], user: str, name: str) -> None:
    given = {**members, "user_id": f"u{user}", "name": name, "date": None}
    try:
        found = json.loads(element(given))
    except InvalidEventError as error:
        assert "must be a non-empty string, encodable" in error.why  # noqa: PT017 - lone surrogates only
        return
    assert found == {**given, "date": "2016-09-11T18:04:23.456Z"}
