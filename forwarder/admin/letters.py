"""Examples of dead letters, and their export, for people with the token."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import structlog
from aiohttp import web

from forwarder.admin import assets
from forwarder.admin.actions import LetterId, Name, Status, letters_of
from forwarder.config import Settings
from forwarder.dead_letters.letter import id_in_list, line, order
from forwarder.dead_letters.letters import Letters
from forwarder.dead_letters.selection import Filter
from forwarder.errors import ForwarderError, InvalidElementError
from forwarder.monitor import shown_letters
from forwarder.monitor.latest_letters import READ_BYTES, SHOWN, Latest
from forwarder.monitor.watch import Seen
from forwarder.outcome import LetterReason
from forwarder.queue.letters import DeadLetter
from forwarder.queue.queue import Queue

#: Examples are looked for among this many letters, from the newest one of their groups on.
_AMONG = 2_000
#: Bytes that are sent at once, and seconds that a client may take to receive them.
_CHUNK, _RECEIVING = 65_536, 30.0

log = structlog.get_logger()


class Examples(msgspec.Struct, forbid_unknown_fields=True):
    """Which letters to show, newest first. Without a filter, the latest of all."""

    reason: LetterReason | None = None
    status: Status | None = None
    name: Name | None = None
    #: Says what is always so: the newest come first.
    newest: bool = True

    @property
    def filtered(self) -> bool:
        """Whether there is a filter."""
        return (self.reason, self.status, self.name) != (None, None, None)


class Export(msgspec.Struct, forbid_unknown_fields=True):
    """Which letters to export, oldest first: one by its ID, or all that match."""

    id: LetterId | None = None
    reason: LetterReason | None = None
    status: Status | None = None
    name: Name | None = None
    limit: int | None = None


def revealed(seen: Seen | None) -> dict[str, object]:
    """The groups by name, and the latest letters with user data."""
    if seen is None:
        return {"letters": [], "groups": []}
    return shown_letters.revealed(seen.letters, seen.census.letters, seen.letters_problem)


async def examples(queue: Queue, settings: Settings, wanted: Examples, seen: Seen | None) -> dict[str, object]:
    """The same with the newest letters that match. `more`: whether there may be more. Raises UnreachableError."""
    which = Filter(reason=wanted.reason, status=wanted.status, name=wanted.name, limit=SHOWN)
    letters = Letters(queue, side=settings.consume_from, cut=READ_BYTES)
    last = "+" if seen is None or not seen.letters.exact else _last(seen.letters, which)
    found, more = await letters.newest(which, among=_AMONG, last=last)
    return {**revealed(seen), "letters": shown_letters.examples(found), "more": more}


def _last(known: Latest, which: Filter) -> str:
    """The ID of the newest letter of the groups that match, so that it need not be looked for."""
    found = [
        id_in_list(group.last)
        for group in known.by_name
        if which.reason in {None, group.reason}
        and which.status in {None, group.status}
        and which.name in {None, group.exact_name or which.name}
    ]
    return max(found, key=order, default="+")


async def export(queue: Queue, settings: Settings, wanted: Export, request: web.Request) -> web.StreamResponse:
    """Sends the letters as `forwarder dead export` writes them, and holds few of them at a time.

    What cannot be pushed again is left out. Raises UnreachableError if Redis fails before anything is sent.
    """
    chunks = _chunks(letters_of(queue, settings), wanted, int(settings.max_event_bytes))
    chunk = await anext(chunks, b"")
    headers = {**assets.HEADERS, "Content-Disposition": 'attachment; filename="dead-letters.ndjson"'}
    answer = web.StreamResponse(headers=headers)
    answer.content_type = "application/x-ndjson"
    await answer.prepare(request)
    try:
        while chunk:
            async with asyncio.timeout(_RECEIVING):
                await answer.write(chunk)
            chunk = await anext(chunks, b"")
    except (ForwarderError, TimeoutError) as error:
        log.warning("an export from the status page was cut off", detail=str(error) or "the client stopped reading")
        if request.transport is not None:
            request.transport.abort()  # a proper end would look like the end of the letters
    return answer


async def _chunks(letters: Letters, wanted: Export, max_bytes: int) -> AsyncIterator[bytes]:
    chunk = bytearray()
    async for letter in _wanted(letters, wanted):
        try:
            chunk += line(letter, max_bytes) + b"\n"
        except InvalidElementError:
            continue
        if len(chunk) >= _CHUNK:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


async def _wanted(letters: Letters, wanted: Export) -> AsyncIterator[DeadLetter]:
    if wanted.id is not None:
        if (one := await letters.one(wanted.id)) is not None:
            yield one
        return
    which = Filter(reason=wanted.reason, status=wanted.status, name=wanted.name, limit=wanted.limit)
    async for letter in letters.select(which):
        yield letter
