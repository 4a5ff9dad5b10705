"""Which list holds the events of a user. Pure, and the same in every language (see deploy/producers.md).

All events of a user are in one list, so that a single worker sees them, in order.
"""

import zlib

#: How many lists a queue may have.
MOST_SHARDS = 1024


def check_queue(name: str) -> None:
    """Raises :class:`ValueError` if a queue cannot have this name."""
    if not name or any(c in "{}" or c.isspace() or not c.isprintable() for c in name):
        raise ValueError("must be printable, without spaces or braces, and not empty")


def shard_of(user_id: str, shards: int) -> int:
    """The shard of a user: CRC-32 (IEEE 802.3, as in zlib and gzip) of the ID in UTF-8, modulo the number of shards."""
    return zlib.crc32(user_id.encode()) % shards


def list_name(queue: str, shard: int, shards: int) -> str:
    """The Redis list of a shard: the queue's own name if there is only one list, else with the shard's number."""
    return queue if shards == 1 else f"{queue}:{shard}"
