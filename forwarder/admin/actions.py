"""What may be done from the page with the token: end a halt, replay dead letters. The same as the commands do."""

from typing import Annotated

import msgspec
import structlog

from forwarder import dead
from forwarder.config import Settings
from forwarder.errors import UnreachableError
from forwarder.lists import Lists
from forwarder.outcome import LetterReason

#: Most letters that one request replays: it must not take long.
_MOST = 1_000

log = structlog.get_logger("forwarder.admin")


class Resume(msgspec.Struct, forbid_unknown_fields=True):
    """How the halt is to end; as `forwarder resume --allow-refusals`."""

    allow_refusals: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """One letter by its id, or those of a reason, oldest first, up to a limit."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}-[0-9]{1,20}\Z")] | None = None
    #: Of the list that the id is of.
    shard: Annotated[int, msgspec.Meta(ge=0)] = 0
    reason: LetterReason | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=_MOST)] = 100

    def __post_init__(self) -> None:
        if (self.id is None) == (self.reason is None):
            raise ValueError("give an id or a reason")


class Done(msgspec.Struct):
    """What was done, for the page."""

    done: str


async def resume(lists: Lists, wanted: Resume) -> Done:
    """Ends the halt in force. Raises UnreachableError."""
    ended = await lists.resume(allow_refusals=wanted.allow_refusals)
    if ended is None:
        return Done("It was not halted.")
    log.warning("resumed from the status page", reason=ended.reason, allow_refusals=wanted.allow_refusals)
    return Done("The halt is over. Workers go on within seconds.")


async def replay(lists: Lists, settings: Settings, wanted: Replay) -> Done:
    """Replays what is wanted. Raises UnreachableError; its message says how many were replayed before."""
    replayed = 0
    letter_ids = None if wanted.id is None else [wanted.id]
    try:
        for shard, records in enumerate(lists):
            if (wanted.id is not None and shard != wanted.shard) or replayed >= wanted.limit:
                continue
            which = dead.Filter(reason=wanted.reason, limit=wanted.limit - replayed)
            async for letter in dead.chosen(records, letter_ids, which):
                replayed += await dead.replay(
                    records, letter, side=settings.consume_from, max_bytes=int(settings.max_event_bytes)
                )
    except UnreachableError as error:
        raise UnreachableError(f"{_count(replayed)} replayed, then Redis did not answer: {error}") from error
    finally:
        if replayed:
            log.warning("replayed from the status page", letters=replayed, letter=wanted.id, reason=wanted.reason)
    return Done(f"{_count(replayed)} replayed." if replayed else "There is no such dead letter any more.")


def _count(letters: int) -> str:
    return "1 dead letter" if letters == 1 else f"{letters:,} dead letters"
