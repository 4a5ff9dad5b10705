"""What `forwarder check` finds out: whether the service can work with these settings, this Redis and this API."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from forwarder.api.answer import Declined, Meaning, Registered, Unanswered
from forwarder.api.client import Api
from forwarder.config import Settings
from forwarder.errors import DeniedError, ShardsDisagreeError, UnreachableError, WrongTypeError
from forwarder.logs.printable import followed
from forwarder.queue.queue import Queue
from forwarder.retry import patiently

#: A user that is never created: the API refuses a request without events with a 400.
_NOBODY = "forwarder-check"

#: Common names of this machine: requests to them cross no network.
_HERE = {"localhost", "127.0.0.1", "::1"}

Grade = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. A failure means that the service cannot work."""

    what: str
    grade: Grade
    detail: str


async def examine(settings: Settings, queue: Queue, api: Api | None) -> AsyncIterator[Finding]:
    """Checks Redis and the API, and yields one finding at a time. Changes nothing.

    Args:
        settings: already validated.
        queue: of these settings.
        api: already entered; None if there is no API key to try.
    """
    for finding in _settings(settings):
        yield finding
    async for finding in _queue(queue):
        yield finding
    if api is None:
        yield Finding("api", "failure", "no API key: set FORWARDER_API_KEY or FORWARDER_API_KEY_FILE")
    else:
        yield await _api(api, settings.api_url, known=await _is_known(queue, api))


async def _queue(queue: Queue) -> AsyncIterator[Finding]:
    try:
        info = await patiently(queue.server)
        await patiently(queue.agree)
        found = await patiently(queue.censuses)
    except DeniedError as error:
        yield Finding("redis", "failure", followed(str(error), error.remedy))
    except UnreachableError as error:
        yield Finding("redis", "failure", f"{error} (FORWARDER_REDIS_URL)")
    except ShardsDisagreeError as error:
        yield Finding("shards", "failure", str(error))
    except WrongTypeError as error:
        yield Finding("queue", "failure", str(error))
    else:
        for finding in _redis(info):
            yield finding
        for name, census in zip(queue.names, found, strict=True):
            yield Finding("queue", "ok", f"{name}: {census.waiting} waiting, {census.claimed} claimed")
        async for finding in _strays(queue):
            yield finding
        halt = await patiently(queue.halt)
        if halt is not None:
            yield Finding("halt", "failure", f"{halt.reason} since {halt.since}: {halt.detail}")


def _settings(settings: Settings) -> list[Finding]:
    warnings = [Finding("settings", "warning", each) for each in settings.warnings()]
    return [Finding("settings", "ok", "valid"), *warnings, *_in_the_clear(settings.api_url)]


async def _strays(queue: Queue) -> AsyncIterator[Finding]:
    try:
        found = await patiently(queue.strays)
    except UnreachableError as error:  # for example if an ACL forbids to look at other lists
        yield Finding("strays", "warning", f"cannot look for lists that no worker drains: {error}")
        return
    for name, content in found.items():
        held = f"{name}: {content.waiting} waiting, {content.claimed} claimed, and no worker drains it"
        advice = f"stop all workers and run `forwarder reshard {len(queue.lists)} --move`"
        yield Finding("strays", "warning", f"{held} with FORWARDER_SHARDS={len(queue.lists)}: {advice}")


def _redis(info: Mapping[str, str]) -> list[Finding]:
    version = info.get("redis_version", "0")
    number = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    policy, aof = info.get("maxmemory_policy"), info.get("aof_enabled")
    limit = int(info.get("maxmemory", "0"))
    return [
        Finding("redis", "ok" if number >= (6, 2) else "failure", f"version {version} (6.2 or newer is required)"),
        Finding("persistence", "ok", "append-only file")
        if aof == "1"
        else Finding("persistence", "warning", "no append-only file: a restart of Redis loses recent events"),
        Finding("memory policy", "ok", f"{policy}")
        if policy == "noeviction" or not limit
        else Finding("memory policy", "warning", f"{policy}: a full Redis may evict the queue; use noeviction"),
    ]


def _in_the_clear(url: str) -> list[Finding]:
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname in _HERE:
        return []
    return [
        Finding("address", "warning", f"{url} is not https: anyone on the network path can read the key and the events")
    ]


async def _is_known(queue: Queue, api: Api) -> bool:
    try:
        return await queue.address() == api.fingerprint
    except UnreachableError:  # which is reported already
        return False


async def _api(api: Api, url: str, *, known: bool) -> Finding:
    """Sends a request without events. The API answers 400, but only once it has accepted the key.

    `known`: whether this address has answered 202 before, so that it is the API's.
    """
    match await api.post(_NOBODY, []):
        case Declined(status=400, is_object=False) if not known:
            return Finding(
                "api",
                "failure",
                f"{url} leads to something that answers 400 to everything, without the JSON object that the API sends; "
                "is this the API? Check FORWARDER_API_URL",
            )
        case Declined(status=400):
            return Finding("api", "ok", f"{url} answers, and accepts the key")
        case Declined(meaning=Meaning.UNAUTHORIZED):
            return Finding(
                "api", "failure", f"{url} refuses the key (401): check FORWARDER_API_KEY or FORWARDER_API_KEY_FILE"
            )
        case Declined(status=status) | Registered(status=status):
            return Finding(
                "api",
                "failure",
                f"{url} answers {status} to a request without events, not 400: check FORWARDER_API_URL",
            )
        case Unanswered(cause=cause, reason=reason):
            return Finding("api", "failure", f"{url} does not answer ({cause}): {reason}; check FORWARDER_API_URL")
