"""Any bytes are either an event with its values unchanged, or refused with one clear reason."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forwarder.api.request import path_segment
from forwarder.errors import InvalidElementError
from forwarder.event import Event, decode, with_date

DAMAGE = [b"", b"\0", b'"', b"\\", b"{", b"]", b"\xff", b"\\ud800", b"1e9", b","]
LIMIT = 20_000
STAMP = 1_473_617_063_900_000

texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
users = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), st.integers())
good = st.fixed_dictionaries(
    {"user_id": users.filter(lambda user: user not in {".", ".."}), "name": texts.filter(bool)},
    optional={
        "date": st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds")),
        "value": values,
        "": values,
    },
)


def attempt(element: bytes) -> Event | None:
    try:
        return decode(element, number=1, stamp=STAMP, max_bytes=LIMIT)
    except InvalidElementError:
        return None


def members(text: bytes) -> dict[str, Any]:
    """As texts of numbers, so that 1.10 is not 1.1."""
    found = json.loads(text, parse_int=lambda digits: f"int {digits}", parse_float=lambda digits: f"float {digits}")
    assert isinstance(found, dict)
    return found


@given(event=good, style=st.sampled_from([{}, {"ensure_ascii": False}, {"indent": 1}]))
def test_an_event_is_sent_with_its_values_unchanged(event: dict[str, Any], style: dict[str, Any]) -> None:
    try:
        element = json.dumps(event, **style).encode()
    except UnicodeEncodeError:
        return  # a lone surrogate that is not escaped is not UTF-8
    decoded = attempt(element)
    if any("\ud800" <= letter <= "\udfff" for letter in event["name"]):
        assert decoded is None
        return
    assert decoded is not None
    assert decoded.user == str(event["user_id"])
    sent, came = members(decoded.body), members(element)
    del came["user_id"]
    date = came.pop("date", None)
    assert sent.pop("date") == ("2016-09-11T18:04:23Z" if date is None else date + "Z")
    assert sent == came
    assert "/" not in path_segment(decoded.user)
    assert path_segment(decoded.user).isascii()


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_refused(element: bytes) -> None:
    attempt(element)


@given(event=good, data=st.data())
def test_a_damaged_event_is_an_event_or_refused_and_never_changes_silently(
    event: dict[str, Any], data: st.DataObject
) -> None:
    element = bytearray(json.dumps(event).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(element)))
        end = start + data.draw(st.integers(0, 3))
        element[start:end] = data.draw(st.sampled_from(DAMAGE))
    decoded = attempt(bytes(element))
    if decoded is not None:
        sent, came = members(decoded.body), members(bytes(element))
        for name in ("user_id", "date"):
            sent.pop(name, None)
            came.pop(name, None)
        assert sent == came


@given(good)
def test_decoding_again_gives_the_same_and_dating_changes_nothing_that_is_sent(event: dict[str, Any]) -> None:
    element = json.dumps(event).encode()
    first = attempt(element)
    assert attempt(element) == first
    if first is not None:
        later = decode(with_date(element, STAMP), number=1, stamp=STAMP, max_bytes=2 * LIMIT)
        assert members(later.body) == members(first.body)
