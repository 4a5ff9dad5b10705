"""Which list an event of a user belongs on. Pure; the same in every language (see deploy/producers.md).

All events of a user are in one list, so that one worker sees them, in their order.
"""

import zlib

#: How many lists a queue may have.
MOST_SHARDS = 1024


def check_queue(name: str) -> None:
    """Raises :class:`ValueError` if a queue cannot be called so."""
    if not name or any(c in "{}" or c.isspace() or not c.isprintable() for c in name):
        raise ValueError("must be printable, without spaces or braces, and not empty")


def shard_of(user_id: str, shards: int) -> int:
    """The shard of a user: CRC-32 (IEEE 802.3, as in zlib and gzip) of the id in UTF-8, modulo the number of shards."""
    return zlib.crc32(user_id.encode()) % shards


def list_name(queue: str, shard: int, shards: int) -> str:
    """The Redis list of a shard: the queue's own name if there is but one, else with the shard's number."""
    return queue if shards == 1 else f"{queue}:{shard}"
