"""Redis. This is the only package that imports redis. It moves bytes and never parses an event.

keys          the names of the Redis keys
sharding      which list holds a user's events
lease         one acquisition of one list; every fenced script runs through it
shard_count   what Redis holds as a queue's number of lists
claims        the owner's side of a list: claim, adopt, settle, wait for events
claim_ids     the IDs of claimed events, 16 bytes each
census        the counts of one list
letters       the dead letters of one list
halts         a queue's halt
content       how much is in any list, even in one that nobody drains
fleet         which workers are running
queue         one queue: its lists, and what belongs to all of them
mover         one list during resharding
wire          how bytes get to Redis and back
"""

from redis.asyncio import Redis

from forwarder.queue.census import Census, Memory, Undecided
from forwarder.queue.claims import Claimed, Claims, NewLetter, Settlement
from forwarder.queue.content import Content, contents
from forwarder.queue.fleet import Fleet, Place
from forwarder.queue.halts import HaltRecord
from forwarder.queue.keys import Keys, QueueKeys, Side
from forwarder.queue.lease import Lease
from forwarder.queue.letters import DeadLetter, ListLetters
from forwarder.queue.mover import ListMover, Page, held_by_worker, mover_lease
from forwarder.queue.queue import Queue, QueueList
from forwarder.queue.wire.connection import connect

__all__ = [
    "Census",
    "Claimed",
    "Claims",
    "Content",
    "DeadLetter",
    "Fleet",
    "HaltRecord",
    "Keys",
    "Lease",
    "ListLetters",
    "ListMover",
    "Memory",
    "NewLetter",
    "Page",
    "Place",
    "Queue",
    "QueueKeys",
    "QueueList",
    "Redis",
    "Settlement",
    "Side",
    "Undecided",
    "connect",
    "contents",
    "held_by_worker",
    "mover_lease",
]
