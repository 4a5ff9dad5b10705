"""The Redis side: the only package that knows Redis. It moves bytes and never parses an event.

``keys`` names, ``connection`` connects and translates errors, ``scripts`` loads the Lua files, ``claims`` is
the owner's side of a list (lease, claim, adopt, settle), ``records`` the operator's (census, dead letters,
halt), ``pushing`` the producers', ``fleet`` what the workers of a queue know of each other,
``moving`` what is moved when the number of lists changes.
"""

from redis.asyncio import Redis

from forwarder.queue.claims import Claimed, ClaimedList, Claims, Letter, Settlement, Side
from forwarder.queue.connection import connect
from forwarder.queue.fleet import Colleague, Fleet, Place, colleagues
from forwarder.queue.keys import Keys
from forwarder.queue.moving import MOVER, Content, MovedList, Page, contents, lease, write_shards
from forwarder.queue.pushing import Pusher
from forwarder.queue.records import Census, DeadLetter, HaltRecord, Records

__all__ = [
    "MOVER",
    "Census",
    "Claimed",
    "ClaimedList",
    "Claims",
    "Colleague",
    "Content",
    "DeadLetter",
    "Fleet",
    "HaltRecord",
    "Keys",
    "Letter",
    "MovedList",
    "Page",
    "Place",
    "Pusher",
    "Records",
    "Redis",
    "Settlement",
    "Side",
    "colleagues",
    "connect",
    "contents",
    "lease",
    "write_shards",
]
