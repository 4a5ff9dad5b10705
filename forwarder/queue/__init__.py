"""Redis: the only package that imports redis. It moves bytes and never parses an event.

keys          the names of the keys
sharding      which list holds a user's events
lease         one acquisition of one list; every fenced script runs through it
claims        the owner's side of a list: claim, adopt, settle, wait for events
claim_ids     (sequence number, stamp) of claimed events, 16 bytes each
records       the operator's side of a list: census, dead letters, halt
fleet         which workers are running
queue         all lists of a queue
mover         one list during resharding
wire          how bytes get to Redis and back
"""

from redis.asyncio import Redis

from forwarder.queue.claims import Claimed, Claims, NewLetter, Settlement
from forwarder.queue.fleet import Colleague, Fleet, Place, colleagues
from forwarder.queue.keys import Keys, Side
from forwarder.queue.lease import ClaimedList, Lease, holder
from forwarder.queue.mover import MOVER, Content, ListMover, Page, contents, mover_lease, write_shards
from forwarder.queue.records import Census, DeadLetter, HaltRecord, LatestLetters, Memory, Records, Undecided
from forwarder.queue.wire.connection import connect

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
    "LatestLetters",
    "Lease",
    "ListMover",
    "Memory",
    "NewLetter",
    "Page",
    "Place",
    "Records",
    "Redis",
    "Settlement",
    "Side",
    "Undecided",
    "colleagues",
    "connect",
    "contents",
    "holder",
    "mover_lease",
    "write_shards",
]
