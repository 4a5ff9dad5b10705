"""What `forwarder check` finds out: whether the service can work with these settings, this Redis and this API."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from forwarder.api.answer import Cause, Declined, Meaning, Registered, Unanswered
from forwarder.api.client import Api
from forwarder.config import Settings
from forwarder.diagnosis import finding as diagnosis
from forwarder.diagnosis.facts import Setup
from forwarder.errors import DeniedError, ShardsDisagreeError, UnreachableError, WrongTypeError
from forwarder.logs.printable import followed
from forwarder.operations.facts import setup_of
from forwarder.operations.status import Status, survey
from forwarder.queue.census import Memory
from forwarder.queue.queue import Queue
from forwarder.retry import RESTART, patiently

#: A user that is never created: the API refuses a request without events with a 400.
_NOBODY = "forwarder-check"

#: Common names of this machine: requests to them cross no network.
_HERE = {"localhost", "127.0.0.1", "::1"}

_NO_EVICTION = (
    "Forbid that: `redis-cli CONFIG SET maxmemory-policy noeviction`, and the same in the configuration of Redis"
)

Grade = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. A failure means that the service cannot work."""

    what: str
    grade: Grade
    detail: str


async def examine(settings: Settings, queue: Queue, api: Api | None) -> AsyncIterator[Finding]:
    """Checks Redis and the API, and yields one finding at a time. Touches no event.

    Args:
        settings: already validated.
        queue: of these settings.
        api: already entered; None if there is no API key to try.
    """
    for finding in _settings(settings):
        yield finding
    async for finding in _queue(queue, setup_of(settings)):
        yield finding
    if api is None:
        yield Finding("api", "failure", "no API key: set FORWARDER_API_KEY or FORWARDER_API_KEY_FILE")
    else:
        way = settings.api_url if api.proxy is None else f"{settings.api_url} through the proxy {api.proxy}"
        yield await _api(api, way, known=await _is_known(queue, api))


def setting_behind(cause: Cause) -> str:
    """What to look at first when there is no answer."""
    match cause:
        case "proxy":
            return "FORWARDER_API_PROXY"
        case "tls":
            return "FORWARDER_API_URL, and FORWARDER_API_CA_FILE if this network inspects TLS"
    return "FORWARDER_API_URL"


async def _queue(queue: Queue, setup: Setup) -> AsyncIterator[Finding]:
    try:
        info = await patiently(queue.server, refused=RESTART)
        await patiently(queue.agree)
        found = await survey(queue, setup)
    except DeniedError as error:
        yield Finding("redis", "failure", followed(str(error), error.remedy))
    except UnreachableError as error:
        yield Finding("redis", "failure", f"{error} (FORWARDER_REDIS_URL)")
    except ShardsDisagreeError as error:
        yield Finding("shards", "failure", str(error))
    except WrongTypeError as error:
        yield Finding("queue", "failure", str(error))
    else:
        for finding in (*_redis(info), *_lists(found)):
            yield finding
        async for finding in _strays(queue):
            yield finding
        for finding in _diagnosed(found):
            yield finding


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
        else Finding("memory policy", "warning", f"{policy}: a full Redis deletes events. {_NO_EVICTION}"),
    ]


def _lists(found: Status) -> Iterator[Finding]:
    if found.memory is not None:
        yield _memory(found.memory, found.findings)
    for each in found.lists:
        yield Finding("queue", "ok", f"{each.name}: {each.census.waiting} waiting, {each.census.claimed} claimed")


def _memory(memory: Memory, diagnosed: Iterable[diagnosis.Finding]) -> Finding:
    """How full Redis is; the fullest server, if there are several."""
    numbers = f"{memory.part:.0%} used: {memory.used / 2**20:,.1f} MiB of {memory.most / 2**20:,.1f} MiB"
    for wrong in diagnosed:
        if wrong.reason == "redis_full":
            grade: Grade = "failure" if wrong.tone == "bad" else "warning"
            return Finding("memory", grade, f"{wrong.title}: {numbers}. {wrong.sentence} {wrong.remedy}")
    return Finding("memory", "ok", numbers)


def _diagnosed(found: Status) -> Iterator[Finding]:
    """What is wrong with the queue, in the words of the page. Only a halt keeps a worker that starts from its work."""
    for each in found.findings:
        # What it says of this command is for those who read it elsewhere.
        wrong = replace(each, steps=tuple(step for step in each.steps if "`forwarder check`" not in step))
        if wrong.is_halt and found.halt is not None:
            yield Finding("halt", "failure", f"{wrong.title} since {found.halt.since}: {wrong.detail} {wrong.remedy}")
        elif wrong.anchor and wrong.reason != "redis_full" and (found.total.backlog or wrong.reason != "no_worker"):
            yield Finding(wrong.reason.replace("_", " "), "warning", _in_full(wrong))


def _in_full(wrong: diagnosis.Finding) -> str:
    return " ".join(part for part in (f"{wrong.title}.", wrong.sentence, wrong.detail, wrong.remedy) if part)


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
            failed = f"{url} does not answer ({cause}): {reason}; check {setting_behind(cause)}"
            return Finding("api", "failure", failed)
