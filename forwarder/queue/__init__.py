"""The Redis side: the only package that knows Redis. It moves bytes and never parses an event.

``keys`` names, ``connection`` connects and translates errors, ``scripts`` loads the Lua files, ``claims`` is
the owner's side of a list (lease, claim, adopt, settle), ``records`` the operator's (census, dead letters,
halt), ``pushing`` the producers'.
"""

from redis.asyncio import Redis

from forwarder.queue.claims import Claimed, ClaimedList, Claims, Letter, Settlement, Side
from forwarder.queue.connection import connect
from forwarder.queue.keys import Keys
from forwarder.queue.pushing import Pusher
from forwarder.queue.records import Census, DeadLetter, HaltRecord, Memory, Records

__all__ = [
    "Census",
    "Claimed",
    "ClaimedList",
    "Claims",
    "DeadLetter",
    "HaltRecord",
    "Keys",
    "Letter",
    "Memory",
    "Pusher",
    "Records",
    "Redis",
    "Settlement",
    "Side",
    "connect",
]
