"""What `forwarder check --send-as` finds out: sends one marked event, and says what the API answered.

The event goes past the queue: Redis is neither asked nor changed, so this works while the service is halted or there is
no Redis yet. It is not counted against the rate, and a 202 does not make the address known to the workers: each of
them learns that from its own first 202, and nothing here may decide what becomes a dead letter.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from forwarder.api.answer import Answer, Declined, Meaning, Registered, Unanswered
from forwarder.api.client import Api
from forwarder.api.credentials import Credentials
from forwarder.config import Settings, api_url
from forwarder.event import Event, decode
from forwarder.event.dates import timestamp
from forwarder.operations.check import setting_behind

#: The name of the event, by which people find it in the web view.
NAME = "forwarder-check"

#: What each refusal of one small event means, and what to do next.
_REFUSED = {
    Meaning.MALFORMED: "the API takes neither this user nor this event. Is the user ID right?",
    Meaning.UNAUTHORIZED: "the API refuses the key. Check FORWARDER_API_KEY or FORWARDER_API_KEY_FILE",
    Meaning.TOO_LARGE: "nothing that takes so small an event is the API. Check FORWARDER_API_URL",
    Meaning.NO_SUCH_ADDRESS: "the API does not know this user, or the address is wrong. Use a user that exists, and "
    "check FORWARDER_API_URL and FORWARDER_API_VERSION",
    Meaning.ERASED: "this user was erased, or something blocks this machine. Use another test user",
    Meaning.SUSPECT: "the API never answers this. Check FORWARDER_API_URL, and look for a portal or a proxy on the way",
    Meaning.TRANSIENT: "the API, or something in front of it, has trouble. Try again later",
}
_FORBIDDEN = (
    "the key lacks the permission, or may not be used from this address, or a firewall forbids it. "
    "Look at the key in the settings of the app"
)
_NOT_THE_API = "the body is not a JSON object, as the API's is. Check FORWARDER_API_URL"
_TOO_MANY = "the API takes no more POSTs at this moment. Try again later"


@dataclass(frozen=True, slots=True)
class Proof:
    """One marked event, how it was sent, and what came back."""

    accepted: bool
    api: str
    #: Without user and password; None if it was sent directly.
    proxy: str | None
    key_fingerprint: str
    user: str
    name: str
    date: str
    #: Of the answer; None if there was none.
    status: int | None
    #: Why there was no answer; None if there was one.
    cause: str | None
    seconds: float
    #: What the answer means, and what to do next.
    detail: str

    @property
    def way(self) -> str:
        """How it was sent, in words."""
        through = "directly" if self.proxy is None else f"through the proxy {self.proxy}"
        return f"to {self.api} {through}, with the key {self.key_fingerprint}"


def marked(user: str, now: datetime) -> tuple[Event, str]:
    """An event that says what it is for, and its date.

    Raises:
        InvalidElementError: there cannot be such a user.
    """
    date = timestamp(now)
    element = json.dumps({"user_id": user, "name": NAME, "date": date}).encode()
    return decode(element, max_bytes=len(element)), date


async def send_as(
    user: str,
    settings: Settings,
    credentials: Credentials,
    api: Api,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Proof:
    """Sends one marked event.

    Args:
        user: the event is in the history of this user afterwards.
        settings: those that `api` was made of.
        credentials: the key.
        api: already entered.
        clock: seconds.

    Raises:
        InvalidElementError: there cannot be such a user.
    """
    event, date = marked(user, datetime.now(UTC))
    started = clock()
    answer = await api.post(event.user, [event.body])
    seconds = round(clock() - started, 3)
    status, cause = (None, answer.cause) if isinstance(answer, Unanswered) else (answer.status, None)
    return Proof(
        accepted=isinstance(answer, Registered),
        api=f"{api_url.shown(settings.api_url)}/{settings.api_version}",
        proxy=api.proxy,
        key_fingerprint=credentials.fingerprint,
        user=event.user,
        name=NAME,
        date=date,
        status=status,
        cause=cause,
        seconds=seconds,
        detail=_in_words(answer, seconds),
    )


def _in_words(answer: Answer, seconds: float) -> str:
    match answer:
        case Registered(status=status):
            return f"{status} after {seconds:.3f} s: the event is in this user's history now"
        case Declined(status=status):
            wait = "" if answer.retry_after is None else f"; it asks to wait {answer.retry_after:g} s"
            return f"{status} after {seconds:.3f} s{wait}: {_refused(answer)}"
        case Unanswered(cause, reason=reason):
            sent = "The event may have arrived all the same" if answer.ambiguous else "Nothing was sent"
            return f"no answer after {seconds:.3f} s ({cause}): {reason}. {sent}. Check {setting_behind(cause)}"
    assert_never(answer)


def _refused(answer: Declined) -> str:
    if answer.status == 403:
        return _FORBIDDEN
    if answer.status == 429:
        return _TOO_MANY
    if answer.meaning is Meaning.MALFORMED and not answer.is_object:
        return _NOT_THE_API
    return _REFUSED[answer.meaning]
