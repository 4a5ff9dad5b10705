"""What may be done from the page with the token: end a halt, replay dead letters. The same as the commands do."""

from typing import Annotated

import msgspec
import structlog

from forwarder.config import Settings
from forwarder.dead_letters import replay as replaying
from forwarder.dead_letters.canary import Canary, Findings
from forwarder.dead_letters.letter import count_of
from forwarder.dead_letters.letters import Filter, Letters, Selection
from forwarder.dead_letters.replay import Report, Terms
from forwarder.errors import UnreachableError
from forwarder.operations.resume import end_halt
from forwarder.outcome import LetterReason
from forwarder.queue import Queue

#: Most letters that one request replays: it must not take long.
_MOST = 1_000

#: Seconds that a canary is waited for: somebody looks at the page meanwhile.
_CANARY_SECONDS = 30.0

log = structlog.get_logger()


class ResumeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """How the halt is to end; as `forwarder resume --allow-refusals`."""

    allow_refusals: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """One letter by its id, or those of a reason, oldest first, up to a limit."""

    id: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{1,4}/)?[0-9]{1,20}-[0-9]{1,20}\Z")] | None = None
    reason: LetterReason | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST)] = 100
    #: So many are sent first; the others only if these are accepted.
    canary: Annotated[int, msgspec.Meta(ge=0, le=_MOST)] = 0

    def __post_init__(self) -> None:
        if (self.id is None) == (self.reason is None):
            raise ValueError("give an id or a reason")


class Done(msgspec.Struct):
    """What was done, for the page."""

    done: str


async def resume(queue: Queue, wanted: ResumeRequest) -> Done:
    """Ends the halt in force. Raises UnreachableError."""
    ended = await end_halt(queue, allow_refusals=wanted.allow_refusals)
    if ended is None:
        return Done("It was not halted.")
    log.warning("resumed from the status page", reason=ended.reason, allow_refusals=wanted.allow_refusals)
    return Done("The halt is over. Workers go on within seconds.")


async def replay(queue: Queue, settings: Settings, wanted: ReplayRequest) -> Done:
    """Replays what is wanted, as the command does. Raises UnreachableError; it says how many were replayed before."""
    letters = Letters(queue, side=settings.consume_from)
    ids = None if wanted.id is None else [wanted.id]
    selection = await letters.selection(ids, Filter(reason=wanted.reason, limit=wanted.limit))
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
    return Done(_said(report))


def _said(report: Report) -> str:
    if report.canary is not None and not report.canary.well:
        return f"{count_of(report.replayed)} replayed, and no more: {_why(report.canary)}"
    return f"{count_of(report.replayed)} replayed." if report.replayed else "There is no such dead letter any more."


async def _canary(letters: Letters, selection: Selection, size: int) -> Canary | None:
    """None if it would be all that is meant: there is nothing to hold back then."""
    if not size or selection.count <= size:
        return None
    after = (await letters.now(), selection.last)
    return Canary(letters, size=size, after=after, timeout=_CANARY_SECONDS)


def _why(canary: Findings) -> str:
    if canary.refused:
        return f"{count_of(len(canary.refused))} of the first {canary.sent} came back. Mend the cause first."
    return canary.stopped
