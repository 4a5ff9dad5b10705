"""The actions of the page, for people with the token: pause, resume, try now, replay or delete dead letters.

The commands do the same.
"""

from typing import Annotated

import msgspec
import structlog

from forwarder.config import Settings
from forwarder.dead_letters import replay as replaying
from forwarder.dead_letters.canary import Canary, Findings
from forwarder.dead_letters.letter import count_of
from forwarder.dead_letters.letters import Letters
from forwarder.dead_letters.replay import Report, Terms
from forwarder.dead_letters.selection import Filter, Selection
from forwarder.errors import UnreachableError
from forwarder.operations import pause as pausing
from forwarder.operations import resume as resuming
from forwarder.operations.retry import request_retry
from forwarder.outcome import PAUSED, LetterReason
from forwarder.queue.queue import Queue

#: One request replays at most this many letters, so that it does not take long.
_MOST = 1_000

#: Seconds to wait for a canary. Somebody looks at the page meanwhile.
_CANARY_SECONDS = 30.0

#: What is said of invalid elements that somebody wants to replay as they are.
COMES_BACK = (
    "Invalid elements come back unchanged. Edit them: `forwarder dead replay --reason invalid --set NAME=VALUE`, "
    "or delete them."
)
_NONE = "No such dead letter: it may have been replayed or deleted."

log = structlog.get_logger()


class ResumeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """How to end the pause or the halt, as with `forwarder resume --allow-refusals`."""

    allow_refusals: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0


class PauseRequest(msgspec.Struct, forbid_unknown_fields=True):
    """For how many seconds, or until a person resumes; and why, for everybody who looks."""

    seconds: Annotated[float, msgspec.Meta(gt=0, le=31_536_000)] | None = None
    why: Annotated[str, msgspec.Meta(max_length=500)] = ""


class RetryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing to choose: all workers try now."""


LetterId = Annotated[str, msgspec.Meta(pattern=r"^([0-9]{1,4}/)?[0-9]{1,20}-[0-9]{1,20}\Z")]
Status = Annotated[str, msgspec.Meta(max_length=20)]
Name = Annotated[str, msgspec.Meta(max_length=1_000)]


class LettersRequest(msgspec.Struct, forbid_unknown_fields=True):
    """One letter by its ID, or those of a reason, oldest first, up to a limit; of this status and event name alone."""

    id: LetterId | None = None
    reason: LetterReason | None = None
    status: Status | None = None
    name: Name | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST)] = 100

    def __post_init__(self) -> None:
        if (self.id is None) == (self.reason is None):
            raise ValueError("give either an id or a reason")
        if self.id is not None and (self.status is not None or self.name is not None):
            raise ValueError("an id needs neither a status nor a name")

    @property
    def ids(self) -> list[str] | None:
        """The ID, if one is given."""
        return None if self.id is None else [self.id]

    @property
    def which(self) -> Filter:
        """What selects the letters."""
        return Filter(reason=self.reason, status=self.status, name=self.name, limit=self.limit)


class ReplayRequest(LettersRequest, forbid_unknown_fields=True):
    """Which letters to replay."""

    #: This many are sent first, and the others only if these are accepted.
    canary: Annotated[int, msgspec.Meta(ge=0, le=_MOST)] = 0


class Done(msgspec.Struct):
    """The result of an action, as a sentence for the page."""

    done: str


async def pause(queue: Queue, wanted: PauseRequest) -> Done:
    """Pauses all workers. Raises UnreachableError."""
    record = await pausing.pause(queue, seconds=wanted.seconds, why=wanted.why)
    log.warning("paused from the status page", detail=record.detail)
    return Done(f"Paused, {record.detail}. Workers finish what is in flight.")


async def resume(queue: Queue, wanted: ResumeRequest) -> Done:
    """Ends the pause in force; if there is none, the halt. Raises UnreachableError."""
    done = await resuming.resume(queue, allow_refusals=wanted.allow_refusals)
    ended = done.ended
    if ended is None:
        return Done("The service was neither halted nor paused.")
    log.warning("resumed from the status page", reason=ended.reason, allow_refusals=wanted.allow_refusals)
    if done.remains is not None:
        return Done(f"The pause is over, but the service is still halted ({done.remains.reason}).")
    over = "pause" if ended.reason == PAUSED else "halt"
    return Done(f"The {over} is over. Workers continue within seconds.")


async def retry(queue: Queue, _: RetryRequest) -> Done:
    """Asks all workers to try now, as `forwarder retry` does. Raises UnreachableError."""
    found = await request_retry(queue)
    log.warning("asked to try now from the status page", workers=found.workers)
    return Done(found.sentence)


async def replay(queue: Queue, settings: Settings, wanted: ReplayRequest) -> Done:
    """Replays dead letters, as the command does. Raises UnreachableError, which says how many were replayed before."""
    letters = letters_of(queue, settings)
    selection = await letters.selection(wanted.ids, wanted.which.for_replay())
    if LetterReason.INVALID in selection.reasons:
        return Done(f"Nothing was replayed. {COMES_BACK}")
    run = replaying.Replay(
        letters, Terms(int(settings.max_event_bytes)), canary=await _canary(letters, selection, wanted.canary)
    )
    try:
        report = await run.run(selection)
    except UnreachableError as error:
        done = count_of(run.report.replayed)
        raise UnreachableError(f"{done} replayed, then Redis did not answer: {error}") from error
    finally:
        if run.report.replayed:
            log.warning(
                "replayed from the status page", letters=run.report.replayed, letter=wanted.id, reason=wanted.reason
            )
    return Done(_sentence(report))


async def delete(queue: Queue, settings: Settings, wanted: LettersRequest) -> Done:
    """Deletes dead letters for good, as the command does. Raises UnreachableError, which says how many are deleted."""
    letters, deleted = letters_of(queue, settings), 0
    try:
        async for letter in letters.each(await letters.selection(wanted.ids, wanted.which)):
            deleted += await letters.delete(letter)
    except UnreachableError as error:
        raise UnreachableError(f"{count_of(deleted)} deleted, then Redis did not answer: {error}") from error
    finally:
        if deleted:
            log.warning(
                "deleted from the status page",
                letters=deleted,
                letter=wanted.id,
                reason=wanted.reason,
                status=wanted.status,
            )
    return Done(f"{count_of(deleted)} deleted." if deleted else _NONE)


def letters_of(queue: Queue, settings: Settings) -> Letters:
    """The dead letters of the queue. No element that is too long to be an event is read in full."""
    return Letters(queue, side=settings.consume_from, cut=int(settings.max_event_bytes))


def _sentence(report: Report) -> str:
    if report.canary is not None and not report.canary.well:
        return f"{count_of(report.replayed)} replayed, then stopped: {_why(report.canary)}"
    if not report.replayed:
        return _NONE
    return f"{count_of(report.replayed)} replayed."


async def _canary(letters: Letters, selection: Selection, size: int) -> Canary | None:
    """None if the canary would be the whole selection: then there is nothing to hold back."""
    if not size or selection.count <= size:
        return None
    after = (await letters.now(), selection.last)
    return Canary(letters, size=size, after=after, timeout=_CANARY_SECONDS)


def _why(canary: Findings) -> str:
    if canary.refused:
        return f"{count_of(len(canary.refused))} of the first {canary.sent} came back. Fix the cause first."
    return canary.stopped
