"""Events as list elements, checked by the worker's own rules. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from forwarder.errors import InvalidElementError, InvalidEventError
from forwarder.event import Event, decode_page
from forwarder.event.dates import timestamp

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Outgoing(NamedTuple):
    """An event ready to be pushed; ``position`` is its place among those that were given."""

    position: int
    user: str
    element: bytes


def checked(events: Sequence[Mapping[str, object] | bytes], *, now: datetime, max_bytes: int) -> list[Outgoing]:
    """The events in order, ready to be pushed. Bytes are pushed as they are.

    Raises:
        InvalidEventError: at least one is not an event. The error names each of those.
    """
    elements, problems = _elements(events, now)
    valid: list[Event] = []
    if elements:
        valid, invalid = decode_page(list(elements.values()), list(elements), [0] * len(elements), max_bytes)
        problems += [(each.number, each.why) for each in invalid]
    if problems:
        raise InvalidEventError(sorted(problems), len(events))
    return [Outgoing(each.number, each.user, elements[each.number]) for each in valid]


def as_given(events: Sequence[Mapping[str, object] | bytes]) -> list[bytes]:
    """The elements of valid events without what a push adds: a date that is missing is null."""
    return [event if isinstance(event, bytes) else encoded(event, None) for event in events]


def _elements(
    events: Iterable[Mapping[str, object] | bytes], now: datetime
) -> tuple[dict[int, bytes], list[tuple[int, str]]]:
    elements: dict[int, bytes] = {}
    problems: list[tuple[int, str]] = []
    for position, event in enumerate(events):
        try:
            elements[position] = event if isinstance(event, bytes) else encoded(event, now)
        except InvalidElementError as error:
            problems.append((position, str(error)))
    return elements, problems


def encoded(event: Mapping[str, object], now: datetime | None) -> bytes:
    """The element of an event. The user comes first, which the worker reads fastest. A missing date becomes `now`.

    Raises:
        InvalidElementError: a member cannot be written as JSON, or the date has no time zone.
    """
    if not isinstance(event, Mapping):
        raise InvalidElementError(f"neither a mapping nor bytes, but {type(event).__name__}")
    members = {name: event[name] for name in ("user_id", "name") if name in event}
    members["date"] = _date(event.get("date"), now)
    members |= {name: value for name, value in event.items() if name not in members}
    try:
        if type(members.get("user_id")) is int:
            members["user_id"] = str(members["user_id"])
        text = _json(members)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidElementError(f"{_culprit(members)}: cannot be written as JSON: {error}") from error
    # Backslashreplace writes half of a surrogate pair exactly as JSON escapes it.
    return text.encode(errors="backslashreplace")


def _date(value: object, now: datetime | None) -> object:
    """A datetime in UTC as text; `now` for None; any other value as it is."""
    if value is None and now is not None:
        return timestamp(now, "milliseconds")
    if not isinstance(value, datetime):
        return value
    if value.utcoffset() is None:
        raise InvalidElementError("date: a datetime without a time zone; give it one, as in datetime.now(UTC)")
    try:
        return timestamp(value, "auto")
    except OverflowError:
        raise InvalidElementError("date: not within the years 1 to 9999 of UTC") from None


def _culprit(members: Mapping[str, object]) -> str:
    for name, value in members.items():
        try:
            _json({name: value})
        except (TypeError, ValueError, RecursionError):
            return str(name)
    return "event"
