"""The Lua scripts, by name, and the one way of running them."""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from forwarder.errors import RolledBackError
from forwarder.queue.wire.connection import translated
from forwarder.queue.wire.exchange import exchange
from forwarder.queue.wire.replies import Lost, Refusal

#: Calls that are sent in one round trip. Reading their replies takes about 4 ms, in which no event is sent.
_TOGETHER = 128
#: A line of this form stands for the text of another file: Redis knows no modules.
_INCLUDE = re.compile(r"^--#include (\w+)$", re.MULTILINE)


@cache
def source(name: str) -> str:
    """The text of ``lua/<name>.lua``, with what it includes."""
    return _INCLUDE.sub(lambda found: _text(f"include/{found[1]}"), _text(name))


def _text(name: str) -> str:
    return (files("forwarder.queue") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


@cache
def digest(name: str) -> str:
    """The hash that Redis knows the script by, once it has run."""
    return hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()


async def run(
    redis: Redis, name: str, keys: Sequence[str], arguments: Sequence[str | bytes | int]
) -> Any:  # a script's reply has no static type; each caller states its own
    """Runs a script in one round trip, or in two if Redis does not know it (restart, SCRIPT FLUSH).

    Raises:
        UnreachableError: no answer or an error reply. The script may or may not have run.
        RolledBackError: a key holds another type than ours by now. Acquiring the list again names the key.
    """
    with translated():
        try:
            try:
                return await redis.evalsha(digest(name), len(keys), *keys, *arguments)
            except NoScriptError:
                return await redis.eval(source(name), len(keys), *keys, *arguments)
        except ResponseError as error:
            if "WRONGTYPE" in str(error):
                raise RolledBackError("a key of the list holds another type than before") from error
            raise


async def run_each(redis: Redis, name: str, calls: Sequence[Sequence[str]]) -> list[Any]:
    """Runs a script that only reads once for each of these groups of keys, many in one round trip.

    Raises:
        UnreachableError: one of them got no answer, or an error reply.
        RolledBackError: a key holds another type.
    """
    replies = []
    for first in range(0, len(calls), _TOGETHER):
        page = calls[first : first + _TOGETHER]
        found = await exchange(redis, [("EVALSHA", digest(name), len(keys), *keys) for keys in page])
        for keys, reply in zip(page, found, strict=True):
            # A call without a result is repeated alone: that knows what to do about each kind of error.
            replies.append(await run(redis, name, keys, []) if isinstance(reply, Refusal | Lost) else reply)
    return replies
