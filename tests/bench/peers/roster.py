"""Everyone who takes part, in the order of the tables."""

from tests.bench.peers.arq import Arq
from tests.bench.peers.blpop import MANY, ONE
from tests.bench.peers.bullmq import BullMQ
from tests.bench.peers.celery import CeleryPeer
from tests.bench.peers.connect import Connect
from tests.bench.peers.forwarder_peer import ForwarderPeer
from tests.bench.peers.limit import Limit
from tests.bench.peers.peer import Peer

PEERS: tuple[Peer, ...] = (ForwarderPeer(), Limit(), ONE, MANY, Arq(), CeleryPeer(), BullMQ(), Connect())
