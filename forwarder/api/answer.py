"""The answer to one POST, and what a status means. Pure.

The statuses are from the API's reference page ("Users / Events").

To treat one more status, give it a :class:`Meaning` in :func:`meaning`. The type check then fails until
``verdict.Judge`` handles it. Three places follow the status itself and must be looked at: ``courier._signal`` (what it
says about the API's health), ``metrics.STATUSES`` (whether it has a label of its own), ``dead_letters.explain``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Literal

#: A Retry-After is obeyed up to this many seconds. A 429 with `Retry-After: 86400` would stop everyone for a day.
_LONGEST_RETRY_AFTER = 600.0
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


#: Why no status came back: the connection was refused, or reset; this machine has no route; nothing came in time; the
#: name is not known; TLS failed; the proxy gave no connection; this machine has no descriptor, memory, port or thread
#: for a connection; what came is not an HTTP answer.
Cause = Literal["refused", "reset", "unreachable", "timeout", "dns", "tls", "proxy", "no_socket", "unreadable", "other"]


class Meaning(StrEnum):
    """What a status other than 202 says about the events that were sent."""

    MALFORMED = "malformed"
    UNAUTHORIZED = "unauthorized"
    TOO_LARGE = "too_large"
    NO_SUCH_ADDRESS = "no_such_address"
    ERASED = "erased"
    SUSPECT = "suspect"
    TRANSIENT = "transient"


@dataclass(frozen=True, slots=True)
class Registered:
    """202: the API has the events."""

    status: int


@dataclass(frozen=True, slots=True)
class Declined:
    """The API, or something in front of it, answered with a status other than 202."""

    status: int
    meaning: Meaning
    #: Seconds that the answer asks to wait; None if it does not ask.
    retry_after: float | None = None
    #: Fingerprint of the API key that this POST was sent with.
    fingerprint: str = ""
    #: Whether the body is a JSON object, as the API's is.
    is_object: bool = True


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No status came back."""

    #: For metrics, logs and dead letters.
    cause: Cause
    #: Whether the request may have arrived. Sending it again may then double its events.
    ambiguous: bool
    #: The same for people, such as ``Connection refused (ECONNREFUSED)``. It contains nothing that the API has said.
    reason: str = ""


Answer = Registered | Declined | Unanswered


def meaning(status: int) -> Meaning | None:
    """What a status means for the events that were sent; None for 202, the only acceptance."""
    match status:
        case 202:
            return None
        case 401:
            return Meaning.UNAUTHORIZED
        case 413:
            return Meaning.TOO_LARGE
        case 404 | 405 | 410 | 415:  # an unknown user, or a wrong URL: other users' answers show which
            return Meaning.NO_SUCH_ADDRESS
        case 451:  # the user was erased, or something blocks this machine
            return Meaning.ERASED
        case 408 | 425 | 429:
            return Meaning.TRANSIENT
        case 403 | 407:  # a proxy, a firewall or a portal answers so too
            return Meaning.SUSPECT
        case _ if 400 <= status < 500:
            return Meaning.MALFORMED
        case _ if 500 <= status < 600:
            return Meaning.TRANSIENT
    return Meaning.SUSPECT


def is_object(body: bytes) -> bool:
    """Whether a body is a JSON object."""
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):  # also bytes that are not UTF-8
        return False


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait, at most ten minutes; None if it does not ask, or in no valid form.

    Reads both forms of RFC 9110, section 10.2.3, and seconds with a fraction, as some proxies send them. A date is
    compared with the answer's own ``Date``, so the clocks of the two machines need not agree: a ``Retry-After`` that is
    half a minute after ``Date`` gives 30.0.
    """
    value = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), _LONGEST_RETRY_AFTER)
    try:
        until = _moment(value)
        now = _moment(headers["Date"]) if "Date" in headers else datetime.now(UTC)
        return min(max(0.0, (until - now).total_seconds()), _LONGEST_RETRY_AFTER)
    except (ValueError, TypeError, OverflowError):  # not a date, or out of range
        return None


def _moment(date: str) -> datetime:
    """The moment of a date in one of HTTP's three forms (RFC 9110, section 5.6.7). A date without a zone is in UTC."""
    moment = parsedate_to_datetime(date)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
