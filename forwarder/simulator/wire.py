"""What a well-formed request to the API is. Strict, so that a careless client fails.

Source: the API's reference page, ``Users / Events``.
"""

import base64
import binascii
import datetime as dt
import re
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec
from aiohttp import web

from forwarder.simulator.faults import Answer

NOT_FOUND = Answer(status=404)
NOT_ALLOWED = Answer(status=405)
UNAUTHORIZED = Answer(status=401)
MALFORMED = Answer(status=400)
TOO_LARGE = Answer(status=413)

# RFC 3986: a segment consists of pchars. A query, or an unencoded slash in a user ID, does not match.
_ADDRESS = re.compile(r"/v[456]/users/((?:[\w.~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)/events", re.ASCII)
# RFC 3986, 5.2.4 and 6.2.2.3: anything on the way that normalises paths removes these segments.
_DOT_SEGMENT = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)


class _Body(msgspec.Struct):
    events: list[msgspec.Raw]


class _Event(msgspec.Struct):
    name: str
    date: str | msgspec.UnsetType = msgspec.UNSET


_BODY = msgspec.json.Decoder(_Body)
_EVENT = msgspec.json.Decoder(_Event)


@dataclass(frozen=True, slots=True)
class Post:
    """A request as it arrived. ``user`` is empty if the path does not address a user.

    ``events`` are the elements of the body's list, valid or not; empty if there is no such list.
    """

    user: str
    body_bytes: int
    events: tuple[msgspec.Raw, ...]


async def read_post(request: web.BaseRequest) -> Post:
    """Reads the request to its end, however wrong it is."""
    body = await request.content.read()
    return Post(user_of(request.raw_path), len(body), events_of(body))


def user_of(raw_path: str) -> str:
    """The decoded user ID in a raw request path; empty if the path does not address a user."""
    address = _ADDRESS.fullmatch(raw_path)
    if address is None or _DOT_SEGMENT.fullmatch(address[1]):
        return ""
    try:
        return unquote(address[1], errors="strict")
    except UnicodeDecodeError:
        return ""


def events_of(body: bytes) -> tuple[msgspec.Raw, ...]:
    """The elements of ``events``, not decoded; none if the body does not have this form."""
    try:
        body.decode()  # msgspec does not check the encoding of what it skips
        return tuple(_BODY.decode(body).events)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return ()


def objection(request: web.BaseRequest, post: Post, api_key: str) -> Answer | None:
    """The API's objection to address, method, credentials and headers, in this order; None if there is none."""
    if not post.user:
        return NOT_FOUND
    if request.method != "POST":
        return NOT_ALLOWED
    if not is_authorized(request.headers.get("Authorization", ""), api_key):
        return UNAUTHORIZED
    accepted = {kind.partition(";")[0].strip() for kind in request.headers.get("Accept", "").split(",")}
    if request.content_type != "application/json" or "application/json" not in accepted:
        return MALFORMED
    return None


def objection_to_body(post: Post, max_bytes: int | None, max_events: int | None) -> Answer | None:
    """The API's objection to the size of a POST, then to its form; None if there is none."""
    if max_bytes is not None and post.body_bytes > max_bytes:
        return TOO_LARGE
    if max_events is not None and len(post.events) > max_events:
        return TOO_LARGE
    return None if post.events and all(map(is_event, post.events)) else MALFORMED


def is_authorized(header: str, api_key: str) -> bool:
    """Whether the header is HTTP Basic with an empty user name and the key as password."""
    scheme, _, credentials = header.partition(" ")
    try:
        return scheme.lower() == "basic" and base64.b64decode(credentials, validate=True) == f":{api_key}".encode()
    except (binascii.Error, ValueError):
        return False


def is_event(raw: msgspec.Raw) -> bool:
    """Whether this is an object with a name. If it has a date, that must be an ISO 8601 date-time."""
    try:
        event = _EVENT.decode(raw)
    except msgspec.DecodeError:
        return False
    return bool(event.name) and (event.date is msgspec.UNSET or _is_date_time(event.date))


def _is_date_time(text: str) -> bool:
    if _DATE_TIME.fullmatch(text) is None:
        return False
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
