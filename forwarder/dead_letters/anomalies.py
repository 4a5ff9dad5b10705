"""What is unusual about an event, next to what the API documents. Pure, and it never raises, whatever the bytes.

Values are never quoted, only names of members.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

#: From here on it is unusual. The API names no limit at all, so these are far above what events are like.
_LONG_NAME, _LONG_STRING, _MANY_MEMBERS, _MANY_BYTES, _DEEP = 100, 4_000, 100, 32_768, 3
#: Below this every JSON reader keeps a whole number exactly (RFC 8259, section 6).
_GREATEST = 2**53

_DOCUMENTED_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:[0-5]\dZ)?", re.ASCII)
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?P<between>[T ])\d\d:\d\d(?P<seconds>:\d\d)?(?P<fraction>\.\d+)?"
    r"(?P<offset>Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Number(str):
    """The text of a JSON number: its digits may be too many for an int."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """An object's members, in order, repeated ones too."""

    __slots__ = ()

    def value(self, name: str) -> Any:
        """The last of that name, which is the one that counts; None if there is none."""
        return next((value for key, value in reversed(self) if key == name), None)


def parsed(element: bytes) -> Any:
    """The JSON value, objects as Members and numbers as Number; None if it is no JSON."""
    try:
        return json.loads(
            element, object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=Number
        )
    except (ValueError, RecursionError):
        return None


def label(name: str) -> str:
    """A member's name as it can be shown: short, and nothing in it moves a cursor."""
    shown = "".join(char if char.isprintable() and char != "`" else "?" for char in name[:40])
    return f"`{shown}{'…' if len(name) > 40 else ''}`"


def oddities(element: bytes, claimed_at: int = 0) -> Iterator[str]:
    """Each oddity as half a sentence, the likeliest culprits first; none of what is no object.

    Args:
        element: of a valid event; others do no harm.
        claimed_at: in microseconds; 0 if it is not known.
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
    yield from _of_the_keys(members, "")
    for key, value in members:
        if key not in {"user_id", "name", "date"}:
            yield from _of_a_value(label(key), value, 1)
    if len(element) > _MANY_BYTES:
        yield f"it is large: {len(element):,} bytes"
    if len(members) > _MANY_MEMBERS:
        yield f"it has {len(members):,} members"


def _of_the_name(name: str) -> Iterator[str]:
    if len(name) > _LONG_NAME:
        yield f"`name` is {len(name):,} characters long"
    if name != name.strip():
        yield "`name` begins or ends with a blank"
    if _UNSEEN.search(name):
        yield "`name` holds control characters"


def _far_off(date: str, claimed_at: int) -> Iterator[str]:
    try:
        day = datetime.strptime(date[:10], "%Y-%m-%d").replace(tzinfo=UTC)
        claimed = datetime.fromtimestamp(claimed_at / 1e6, UTC) if claimed_at else None
    except (ValueError, OverflowError, OSError):
        return
    if claimed is None:
        if not 2000 <= day.year <= 2100:
            yield f"`date` is in the year {day.year}"
    elif day - claimed > timedelta(days=1):
        yield f"`date` is {(day - claimed).days:,} days after the event was claimed"
    elif claimed - day > timedelta(days=366):
        yield f"`date` is {(claimed - day).days:,} days before the event was claimed"


def _of_the_form(date: str) -> Iterator[str]:
    found = _DATE.fullmatch(date)
    if found is None or _DOCUMENTED_DATE.fullmatch(date):
        return
    if found["offset"] not in {None, "Z"}:
        odd = int(found["offset"][1:3]) > 14 or ":" not in found["offset"]
        yield f"`date` has {'an odd offset' if odd else 'an offset'}, {found['offset']}, where the API documents Z"
    if found["between"] == " ":
        yield "`date` has a blank where the API documents a T"
    if not found["seconds"]:
        yield "`date` has no seconds"
    if found["seconds"] == ":60":
        yield "`date` has a second 60"
    if found["fraction"]:
        yield f"`date` has a fraction of a second, of {len(found['fraction']) - 1} digits"


def _of_the_keys(members: Members, within: str) -> Iterator[str]:
    seen: set[str] = set()
    for key, _ in members:
        if key in seen:
            yield f"{label(key)} stands there twice{within}"
        seen.add(key)
        if not key:
            yield f"the name of a member{within} is empty"
        elif len(key) > _LONG_NAME:
            yield f"the name of the member {label(key)}{within} is {len(key):,} characters long"
        elif _UNSEEN.search(key) or key != key.strip() or key.startswith("$") or "." in key:
            yield f"the name of the member {label(key)}{within} has an odd character"


def _of_a_value(where: str, value: Any, depth: int) -> Iterator[str]:
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
            yield from _of_the_keys(value, f" in {where}")
            for _, inner in value:
                yield from _of_a_value(where, inner, depth + 1)
        case list():
            yield f"{where} is an array" if value else f"{where} is an empty array"
            for inner in value:
                yield from _of_a_value(where, inner, depth + 1)


def _of_a_number(where: str, number: str) -> Iterator[str]:
    value = abs(float(number))
    if not value < float("inf"):  # NaN too
        yield f"{where} is a number that no double holds"
    elif value >= _GREATEST:
        yield f"{where} is a number of 2^53 or more"


def _of_a_string(where: str, text: str) -> Iterator[str]:
    if not text:
        yield f"{where} is an empty string"
    if len(text) > _LONG_STRING:
        yield f"{where} is {len(text):,} characters long"
    if _UNSEEN.search(text):
        yield f"{where} holds control characters or half of an emoji"
