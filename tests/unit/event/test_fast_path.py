"""Many elements decoded at once give what each of them gives when it is decoded alone and with care."""

import gzip
import json
from collections.abc import Sequence
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import InvalidElementError
from forwarder.event import Event, Invalid, decode, decode_page
from forwarder.event.element import decode_carefully

STAMP = 1_473_617_063_900_000
LIMIT = 300
USUAL = b'{"user_id":"u","name":"n","date":"2016-09-11T18:04:23Z"}'
#: What the fast path takes, what it leaves to careful decoding, and what is invalid.
ELEMENTS = [
    USUAL,
    b'{"name":"n","date":"2016-09-11T18:04:23Z","user_id":"u"}',
    b'{"name":"n", "user_id" : "u", "date":"2016-09-11T18:04:23+02:00"}',
    b'{"user_id":"u","name":"n","date":"2016-09-11T18:04:23Z","x":[{"user_id":"v"}]}',
    b'{"user_id":"u","name":"n","date":"2016-09-11T18:04:23Z","user_id":"v"}',
    b'{"user_id":"u","name":"user_id","date":"2016-09-11T18:04:23Z","x":"\\u00e9"}',
    '{"user_id":"é","name":"n","date":"2016-09-11T18:04:23Z"}'.encode(),
    b'{"user_id":"u","name":"n","date":"2016-09-11"}',
    b'{"user_id":"u","name":"n","date":null}',
    b'{"user_id":"u","name":"n"}',
    b'{"user_id":7,"name":"n","date":"2016-09-11T18:04:23Z"}',
    b'{"user_id":"..","name":"n","date":"2016-09-11T18:04:23Z"}',
    b'{"user_id":"","name":"n","date":"2016-09-11T18:04:23Z"}',
    b'{"user_id":"u","name":"","date":"2016-09-11T18:04:23Z"}',
    b'{"user_id":"u","name":"n","date":"2015-02-29T18:04:23Z"}',
    b'{"user_id":"u",\n"name":"n","date":"2016-09-11T18:04:23Z"}',
    USUAL + b"\n",
    USUAL + b"\n" + USUAL,
    USUAL[:-1] + b',"x":' + b"[" * 97 + b"]" * 97 + b"}",
    USUAL[:-1] + b',"x":' + b"[" * 98 + b"]" * 98 + b"}",
    USUAL[:-1] + b',"x":"' + b"[" * 200 + b'"}',
    USUAL[:-1] + b',"x":"' + b"y" * LIMIT + b'"}',
    USUAL[:-1] + b',"x":"\xff"}',
    b"",
    b"[]",
]


def with_care(element: bytes, number: int) -> Event | Invalid:
    try:
        return decode_carefully(element, number, STAMP, LIMIT)
    except InvalidElementError as error:
        return Invalid(number, STAMP, len(element), str(error))


def comparable(decoded: Event | Invalid) -> tuple[object, ...]:
    """Without white space and repeated members, which only cutting keeps; numbers as they are written."""
    if isinstance(decoded, Invalid):
        return decoded.number, decoded.stamp, decoded.size, decoded.why
    body = json.loads(decoded.body, parse_int=lambda digits: f"int {digits}", parse_float=lambda text: f"float {text}")
    return decoded.number, decoded.stamp, decoded.user, body


def check(elements: Sequence[bytes]) -> None:
    numbers = range(1, len(elements) + 1)
    events, invalid = decode_page(elements, numbers, [STAMP] * len(elements), LIMIT)
    found: list[Event | Invalid] = [*events, *invalid]
    found.sort(key=lambda each: each.number)
    assert list(map(comparable, found)) == list(map(comparable, map(with_care, elements, numbers)))


@pytest.mark.parametrize("element", ELEMENTS)
def test_one_element_is_decoded_as_with_care(element: bytes) -> None:
    check([element])
    check([USUAL, element, USUAL])


@given(st.lists(st.sampled_from(ELEMENTS) | st.binary(max_size=20), min_size=1, max_size=6))
def test_a_page_is_decoded_as_each_of_its_elements(elements: list[bytes]) -> None:
    check(elements)


@given(st.sampled_from(ELEMENTS), st.data())
def test_a_damaged_element_is_decoded_as_with_care(element: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(element)))
    end = start + data.draw(st.integers(0, 3))
    piece = data.draw(st.sampled_from([b"", b'"', b",", b" ", b"\\", b'"user_id":"v",', b"\n", b"}", b"\xff", b"0"]))
    check([element[:start] + piece + element[end:]])


def test_a_shops_purchases_are_decoded_as_with_care() -> None:
    lines = gzip.decompress((files("forwarder.demo") / "data" / "cdnow-purchases.ndjson.gz").read_bytes()).splitlines()
    check(lines[:2_000])
    assert decode(lines[0], number=1, stamp=STAMP, max_bytes=LIMIT) == with_care(lines[0], 1)
