"""What is unusual about an event, compared with what the API documents. Pure, and never raises, whatever the bytes.

An anomaly never quotes a value. Whether it names members is up to the caller: a member's name may be user data, as in
``{"carts":{"alice@example.com":1}}``.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

#: More than this is unusual. The API names no limits, so these are far above what real events have.
_LONG_NAME, _LONG_STRING, _MANY_MEMBERS, _MANY_BYTES, _DEEP = 100, 4_000, 100, 32_768, 3
#: Below this, every JSON reader keeps an integer exactly (RFC 8259, section 6).
_INEXACT_FROM = 2**53

_DOCUMENTED_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:[0-5]\dZ)?", re.ASCII)
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?P<between>[T ])\d\d:\d\d(?P<seconds>:\d\d)?(?P<fraction>\.\d+)?"
    r"(?P<offset>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
#: The names of these members are not user data: they are part of the wire format.
_PLAIN = frozenset({"user_id", "name", "date"})
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


#: How a member is called, by its name.
Label: TypeAlias = Callable[[str], str]


class Number(str):
    """The text of a JSON number, which may have too many digits for an int."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """An object's members, in order, including repeated ones."""

    __slots__ = ()

    def value(self, name: str) -> Any:
        """The last value with this name, which is the one that counts; None if there is none."""
        return next((value for key, value in reversed(self) if key == name), None)


def parsed(element: bytes) -> Any:
    """The JSON value, with objects as Members and numbers as Number; None if it is not JSON."""
    try:
        return json.loads(
            element, object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=Number
        )
    except (ValueError, RecursionError):
        return None


def unnamed(name: str) -> str:
    """A member, for those who may not see user data."""
    return f"`{name}`" if name in _PLAIN else "a member"


def named(name: str) -> str:
    """A member, for those who may see user data: its name, short and without control characters."""
    shown = "".join(char if char.isprintable() and char != "`" else "?" for char in name[:40])
    return f"`{shown}{'…' if len(name) > 40 else ''}`"


def anomalies(element: bytes, claimed_at: int = 0, label: Label = unnamed) -> Iterator[str]:
    """Each anomaly as half a sentence, the likeliest cause of a refusal first.

    Args:
        element: a valid event. An element that is not an object has no anomalies.
        claimed_at: when the event was claimed, in microseconds; 0 if that is not known.
        label: how members are called.
    """
    members = parsed(element)
    if not isinstance(members, Members):
        return
    name, date = members.value("name"), members.value("date")
    if isinstance(name, str):
        yield from _of_the_name(name)
    if isinstance(date, str):
        yield from _far_off(date, claimed_at)
        yield from _of_the_form(date)
    yield from _of_the_keys(members, "", label)
    for key, value in members:
        if key not in _PLAIN:
            yield from _of_a_value(label(key), value, 1, label)
    if len(element) > _MANY_BYTES:
        yield f"it is large: {len(element):,} bytes"
    if len(members) > _MANY_MEMBERS:
        yield f"it has {len(members):,} members"


def _of_the_name(name: str) -> Iterator[str]:
    if len(name) > _LONG_NAME:
        yield f"`name` is {len(name):,} characters long"
    if name != name.strip():
        yield "`name` begins or ends with white space"
    if _UNSEEN.search(name):
        yield "`name` contains control characters"


def _far_off(date: str, claimed_at: int) -> Iterator[str]:
    try:
        day = datetime.strptime(date[:10], "%Y-%m-%d").replace(tzinfo=UTC)
        claimed = datetime.fromtimestamp(claimed_at / 1e6, UTC) if claimed_at else None
    except (ValueError, OverflowError, OSError):
        return
    if claimed is None:
        if not 2000 <= day.year <= 2100:
            yield "`date` is before the year 2000 or after the year 2100"
    elif day - claimed > timedelta(days=1):
        yield "`date` is more than a day after the event was claimed"
    elif claimed - day > timedelta(days=366):
        yield "`date` is more than a year before the event was claimed"


def _of_the_form(date: str) -> Iterator[str]:
    found = _DATE.fullmatch(date)
    if found is None or _DOCUMENTED_DATE.fullmatch(date):
        return
    if found["offset"] not in {None, "Z"}:
        odd = int(found["offset"][1:3]) > 14 or ":" not in found["offset"]
        yield f"`date` has {'an unusual offset' if odd else 'an offset'} where the API documents Z"
    if found["between"] == " ":
        yield "`date` has a space where the API documents a T"
    if not found["seconds"]:
        yield "`date` has no seconds"
    if found["seconds"] == ":60":
        yield "`date` has a second 60"
    if found["fraction"]:
        yield f"`date` has a fraction of a second, of {len(found['fraction']) - 1} digits"


def _of_the_keys(members: Members, within: str, label: Label) -> Iterator[str]:
    seen: set[str] = set()
    for key, _ in members:
        if key in seen:
            yield f"{label(key)} occurs twice{within}"
        seen.add(key)
        if not key:
            yield f"the name of a member{within} is empty"
        elif len(key) > _LONG_NAME:
            yield f"the name of {label(key)}{within} is {len(key):,} characters long"
        elif _UNSEEN.search(key) or key != key.strip() or key.startswith("$") or "." in key:
            yield f"the name of {label(key)}{within} has an unusual character"


def _of_a_value(where: str, value: Any, depth: int, label: Label) -> Iterator[str]:
    match value:
        case None:
            yield f"{where} is null"
        case Number():
            yield from _of_a_number(where, value)
        case str():
            yield from _of_a_string(where, value)
        case Members() | list() if depth > _DEEP:
            yield f"{where} is nested more than {_DEEP} levels deep"
        case Members():
            if not value:
                yield f"{where} is an empty object"
            yield from _of_the_keys(value, f" in {where}", label)
            for _, inner in value:
                yield from _of_a_value(where, inner, depth + 1, label)
        case list():
            yield f"{where} is an array" if value else f"{where} is an empty array"
            for inner in value:
                yield from _of_a_value(where, inner, depth + 1, label)


def _of_a_number(where: str, number: str) -> Iterator[str]:
    value = abs(float(number))
    if not value < float("inf"):  # NaN too
        yield f"{where} is a number that a double cannot hold"
    elif value >= _INEXACT_FROM:
        yield f"{where} is a number of 2^53 or more"


def _of_a_string(where: str, text: str) -> Iterator[str]:
    if not text:
        yield f"{where} is an empty string"
    if len(text) > _LONG_STRING:
        yield f"{where} is {len(text):,} characters long"
    if _UNSEEN.search(text):
        yield f"{where} contains control characters or half of an emoji"
