"""The members of a JSON object, each with its original bytes. Pure.

A value is never decoded and encoded again: 1.10 stays 1.10, and an integer keeps all its digits.
"""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NoReturn, TypeAlias

import msgspec

from forwarder.errors import InvalidElementError
from forwarder.event.flaws import Flaw, Problem

Members: TypeAlias = dict[str, msgspec.Raw]

#: The most levels of nesting that an element may have, counting the element itself. The request body adds two,
#: and some parsers read at most 100 (``max_nesting`` of Ruby's json).
MAX_DEPTH = 98
#: An element of at most this many bytes cannot be nested too deep: each level takes two, its brackets.
_SHALLOW_BYTES = 2 * MAX_DEPTH

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)
_KEY = re.compile(r'[\s{,]*("(?:[^"\\]++|\\.)*+")\s*:\s*')

_decode_members = msgspec.json.Decoder(Members).decode
_decode_string = msgspec.json.Decoder(str).decode
# Only the end of a number is needed. Read as text, a number may have any number of digits.
_scan_value = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


def members_of(element: bytes) -> Members:
    """The members of an element by name, in order. Of members with the same name, the last one counts.

    Raises:
        InvalidElementError: `element` is not a JSON object in UTF-8, or it is nested too deep.
    """
    if not element.isascii() and (position := first_bad_byte(element)) is not None:
        raise InvalidElementError(Flaw(Problem.NOT_UTF8, found=str(position)))
    if len(element) > _SHALLOW_BYTES and not surely_shallow([element], len(element)):
        _check_depth(element)
    try:
        return _decode_members(element)
    except msgspec.ValidationError:
        raise InvalidElementError(Flaw(Problem.NOT_AN_OBJECT)) from None
    except msgspec.DecodeError as error:
        masked = _ESCAPE.sub(_masked, element)
        if masked == element:
            _raise_not_json(error)
        return _members_around_lone_surrogates(element, masked)


def object_of(members: Members) -> bytes:
    """The JSON object with these members, in this order."""
    return b"{%b}" % b",".join([_key(name) + value for name, value in members.items()])


def text_of(value: msgspec.Raw) -> str | None:
    """The text of a JSON string; None if the value is not a string, or is one that UTF-8 cannot encode."""
    try:
        return _decode_string(value)
    except msgspec.DecodeError:
        return None


def first_bad_byte(text: bytes) -> int | None:
    """The position of the first byte that is not UTF-8; None if all bytes are. msgspec does not check a Raw string."""
    if text.isascii():
        return None
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def surely_shallow(elements: Sequence[bytes], longest: int) -> bool:
    """Whether no element can be nested too deep, because it has too few opening brackets.

    Brackets in strings count too, so False decides nothing.
    """
    return longest <= _SHALLOW_BYTES or all(
        element.count(b"[") + element.count(b"{") <= MAX_DEPTH for element in elements
    )


def _check_depth(element: bytes) -> None:
    deepest = depth = 0
    for bracket in _STRING.sub(b"", element).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise InvalidElementError(Flaw(Problem.TOO_DEEP, found=str(deepest), allowed=str(MAX_DEPTH)))


def _raise_not_json(error: msgspec.DecodeError) -> NoReturn:
    what = str(error).removeprefix("JSON is malformed: ")
    raise InvalidElementError(Flaw(Problem.NOT_JSON, found=what[:1].lower() + what[1:])) from None


def _masked(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["lone"] else escape[0]


def _members_around_lone_surrogates(element: bytes, masked: bytes) -> Members:
    # Node's JSON.stringify writes "\ud83d" when a text was cut in the middle of an emoji. That is JSON (RFC 8259,
    # section 8.2) and does no harm outside of user and name, but msgspec refuses it. So msgspec checks the
    # element without these escapes, and then the standard library finds where each value begins and ends.
    try:
        _decode_members(masked)
    except msgspec.DecodeError as error:
        _raise_not_json(error)
    text = element.decode()
    members: Members = {}
    key = _KEY.match(text)
    while key is not None:
        _, end = _scan_value(text, key.end())
        members[json.loads(key[1])] = msgspec.Raw(text[key.end() : end].encode())
        key = _KEY.match(text, end)
    return members


# A bound on entries also bounds bytes: a name is at most as long as an element.
@lru_cache(maxsize=256)
def _key(name: str) -> bytes:
    # Backslashreplace writes a lone surrogate exactly as JSON escapes it.
    return json.dumps(name, ensure_ascii=False).encode(errors="backslashreplace") + b":"
