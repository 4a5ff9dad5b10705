"""What people and workers want of all workers of a queue: to halt, to pause, to let refusals through, to try now."""

from typing import NamedTuple

import msgspec
from redis.asyncio import Redis

from forwarder.errors import RolledBackError
from forwarder.outcome import PAUSED
from forwarder.queue import address
from forwarder.queue.keys import Keys, QueueKeys
from forwarder.queue.wire import scripts
from forwarder.queue.wire.connection import text, translated

#: Seconds after which an allowance lapses: a week. What is left of it would let the next broken deploy through.
_ALLOWED = 7 * 24 * 3_600
#: Milliseconds after which a request to try now is forgotten. Workers read it every second.
_REQUESTED = 60_000
#: More digits than this are not an allowance of ours.
_DIGITS = 15


class HaltRecord(msgspec.Struct, frozen=True):
    """Why and since when the service is halted. `fingerprint` is that of the refused key or URL, or empty."""

    reason: str
    detail: str
    since: str
    fingerprint: str


class Orders(NamedTuple):
    """What all workers are to do: the halt and the pause in force, and the latest request to try now, a random text."""

    halt: HaltRecord | None
    retry: bytes | None
    pause: HaltRecord | None = None


async def read(redis: Redis, keys: QueueKeys) -> HaltRecord | None:
    """The halt in force."""
    present = await text(redis, keys.halt)
    return _halt_record(present) if present else None


async def orders(redis: Redis, keys: QueueKeys) -> Orders:
    """All of it in one round trip."""
    on = [keys.halt, keys.retry, keys.pause]
    try:
        halt, retry, pause = await scripts.run(redis, "orders", on, [])
    except RolledBackError:
        for key in on:
            await text(redis, key)  # this names the key that holds something else
        raise
    return Orders(_halt_record(halt) if halt else None, retry, _pause_record(pause) if pause else None)


async def pause(redis: Redis, keys: QueueKeys, pause: HaltRecord, milliseconds: int) -> None:
    """Pauses all workers, instead of an earlier pause. With 0 milliseconds it lasts until a person resumes."""
    await scripts.run(redis, "pause", [keys.pause], [msgspec.json.encode(pause), milliseconds])


async def end_pause(redis: Redis, keys: QueueKeys) -> HaltRecord | None:
    """Ends the pause in force and returns it."""
    ended = await scripts.run(redis, "end_pause", [keys.pause], [])
    return _pause_record(ended) if ended else None


async def request_retry(redis: Redis, keys: QueueKeys, request: str) -> None:
    """Asks all workers to try now. `request`: a random text, the same if the command is repeated."""
    await scripts.run(redis, "request_retry", [keys.retry], [request, _REQUESTED])


async def write(redis: Redis, keys: QueueKeys, halt: HaltRecord) -> HaltRecord:
    """Halts the workers that the halt is meant for, and returns the halt in force.

    An older halt with the same reason and fingerprint stays as it is.
    """
    arguments: list[str | bytes | int] = [msgspec.json.encode(halt), halt.reason, halt.fingerprint]
    return _halt_record(await scripts.run(redis, "write_halt", [keys.halt], arguments))


async def end(redis: Redis, keys: QueueKeys, halt: HaltRecord | None, *, looked: bool) -> HaltRecord | None:
    """Ends this halt and no other, or without `halt` the one in force. Returns the halt that was ended.

    Args:
        redis: the client.
        keys: of the queue.
        halt: which halt to end.
        looked: whether a person ends it, who has looked at the cause. Later owners then take the lists, or the address
            that a `misdirected` names, for the right ones, and what the fleet had decided no longer counts.
    """
    arguments: list[str | bytes | int] = [msgspec.json.encode(halt) if halt else "", int(looked), address.KEPT]
    on = [keys.halt, keys.recognized, keys.address, keys.decisions, keys.decoded]
    ended = await scripts.run(redis, "end_halt", on, arguments)
    return _halt_record(ended) if ended else None


async def recognized(redis: Redis, keys: QueueKeys) -> bool:
    """Whether a person has said that the queue's lists are lists of events, by ending the halt that doubted it."""
    return await text(redis, keys.recognized) is not None


async def allow(redis: Redis, keys: Keys, refusals: int) -> None:
    """Lets this many refusals of the list through the dead-letter brake, instead of what was allowed before."""
    with translated():
        if refusals:
            await redis.set(keys.allowance, refusals, ex=_ALLOWED)
        else:
            await redis.delete(keys.allowance)


async def allowed(redis: Redis, keys: Keys) -> int:
    """The refusals of the list that an operator has allowed and that have not come yet. ``settle.lua`` counts down."""
    written = await text(redis, keys.allowance) or b""
    return int(written) if written.isdigit() and len(written) <= _DIGITS else 0


def _pause_record(written: bytes) -> HaltRecord:
    try:
        return msgspec.json.decode(written, type=HaltRecord)
    except msgspec.DecodeError:
        return HaltRecord(PAUSED, "the pause key holds text that forwarder did not write", "", "")


def _halt_record(written: bytes) -> HaltRecord:
    try:
        return msgspec.json.decode(written, type=HaltRecord)
    except msgspec.DecodeError:
        # Written by hand, it still means "stop". `forwarder resume` ends it like any other halt.
        return HaltRecord("unknown", "the halt key holds text that forwarder did not write", "", "")
