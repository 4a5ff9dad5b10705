"""The Redis side: the only package that knows Redis. It moves bytes and never parses an event.

``keys`` names, ``connection`` connects and translates errors, ``sentinels`` finds the master, ``scripts`` loads
the Lua files, ``claims`` is the owner's side of a list (lease, claim, adopt, settle), ``records`` the operator's
(census, dead letters, halt), ``pushing`` the producers' and ``exchange`` how they send (once), ``fleet`` what the
workers of a queue know of each other, ``moving`` what is moved when the number of lists changes.
"""

from redis.asyncio import Redis

from forwarder.queue.claims import Claimed, ClaimedList, Claims, Letter, Settlement, Side
from forwarder.queue.connection import ANSWER_TIMEOUT, connect, connect_blocking
from forwarder.queue.exchange import exchange, exchange_blocking
from forwarder.queue.fleet import Colleague, Fleet, Place, colleagues
from forwarder.queue.keys import Keys
from forwarder.queue.moving import MOVER, Content, MovedList, Page, contents, lease, write_shards
from forwarder.queue.pushing import Durability, Ending, Fate, Target
from forwarder.queue.records import Census, DeadLetter, HaltRecord, LatestLetters, Memory, Records, Undecided
from forwarder.queue.replies import Command, Reply

__all__ = [
    "ANSWER_TIMEOUT",
    "MOVER",
    "Census",
    "Claimed",
    "ClaimedList",
    "Claims",
    "Colleague",
    "Command",
    "Content",
    "DeadLetter",
    "Durability",
    "Ending",
    "Fate",
    "Fleet",
    "HaltRecord",
    "Keys",
    "LatestLetters",
    "Letter",
    "Memory",
    "MovedList",
    "Page",
    "Place",
    "Records",
    "Redis",
    "Reply",
    "Settlement",
    "Side",
    "Target",
    "Undecided",
    "colleagues",
    "connect",
    "connect_blocking",
    "contents",
    "exchange",
    "exchange_blocking",
    "lease",
    "write_shards",
]
