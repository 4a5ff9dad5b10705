"""Decodes many elements at once: 0.9 µs each, where decoding one by one takes 2.8 µs. Pure.

It works for elements as nearly all producers write them: no backslash, no line break, the user is a string, and the
date has an offset. The body is then the element without its user, cut out in place. It is at least 14 bytes shorter,
and a POST has 13 bytes besides its event, so the element's length is the only one to check. Any other is decoded
with care (:mod:`forwarder.event.element`), which has the rules. Both ways give the same event, except that cutting
keeps white space and repeated members. Which way an element takes depends on that element alone, so its body never
depends on its neighbours.
"""

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec

from forwarder.errors import InvalidElementError
from forwarder.event.dates import last_part
from forwarder.event.element import DIRECTORIES, Event, Invalid, decode_carefully, too_long
from forwarder.event.members import first_bad_byte, surely_plain

_FIRST_MEMBER = re.compile(rb'"user_id" ?: ?"[^"]*" ?, ?')
_LAST_MEMBER = re.compile(rb', ?"user_id" ?: ?"[^"]*"')

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Head(msgspec.Struct, gc=False):
    user_id: _Text
    name: _Text
    date: str


_heads = msgspec.json.Decoder(_Head).decode_lines


def decode(element: bytes, *, number: int = 0, stamp: int = 0, max_bytes: int) -> Event:
    """The event in `element`; the same arguments always give the same body.

    Members keep their order, and all values but those of ``user_id`` and ``date`` keep their bytes. Of members with
    the same name, the last one counts.

    Raises:
        InvalidElementError: `element` is not an event. The message names the member that is wrong and quotes
            nothing of the element. Nothing else is raised, whatever the bytes.
    """
    found = _usual([element], max_bytes)
    if found is not None:
        (user,), (body,) = found
        return Event(number, stamp, user, body)
    return decode_carefully(element, number, stamp, max_bytes)


def decode_page(
    elements: Sequence[bytes | int], numbers: Sequence[int], stamps: Sequence[int], max_bytes: int
) -> tuple[list[Event], list[Invalid]]:
    """Calls :func:`decode` for each element, but takes a third of the time when all of them are usual.

    A length stands for an element that is longer than `max_bytes`.
    """
    found = None if int in map(type, elements) else _usual(elements, max_bytes)  # type: ignore[arg-type]
    if found is not None:
        return list(map(Event, numbers, stamps, *found)), []
    events: list[Event] = []
    invalid: list[Invalid] = []
    for element, number, stamp in zip(elements, numbers, stamps, strict=True):
        if isinstance(element, int):
            invalid.append(Invalid(number, stamp, element, str(too_long(element, max_bytes))))
            continue
        try:
            events.append(decode(element, number=number, stamp=stamp, max_bytes=max_bytes))
        except InvalidElementError as error:
            invalid.append(Invalid(number, stamp, len(element), str(error)))
    return events, invalid


def _usual(elements: Sequence[bytes], max_bytes: int) -> tuple[list[str], list[bytes]] | None:
    """Users and bodies of the events; None if one of the elements needs careful decoding."""
    lines = b"\n".join(elements)
    if b"\\" in lines or lines.count(b"\n") >= len(elements):
        return None
    longest = max(map(len, elements))
    if longest > max_bytes or not surely_plain(elements, longest) or first_bad_byte(lines) is not None:
        return None
    try:
        heads = _heads(lines)
    except msgspec.DecodeError:
        return None
    bodies = _without_users(lines, len(elements))
    users = [head.user_id for head in heads]
    dates = {head.date for head in heads}
    if bodies is None or len(heads) != len(bodies) or not DIRECTORIES.isdisjoint(users):
        return None
    return (users, bodies) if all(last_part(date) == "offset" for date in dates) else None


def _without_users(lines: bytes, count: int) -> list[bytes] | None:
    """The lines without the member ``user_id``; None if it does not stand exactly once, as a string, in each line.

    The lines contain no backslash, so quotes come in pairs, and what looks like a key is one. Each line is an object
    that has a user. So if as many members were cut out as there are lines, and none is left at any depth, each line
    has lost its own.
    """
    rest, cut = _FIRST_MEMBER.subn(b"", lines)
    if cut < count:
        rest, more = _LAST_MEMBER.subn(b"", rest)
        cut += more
    return rest.split(b"\n") if cut == count and b'"user_id"' not in rest else None
