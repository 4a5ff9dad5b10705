"""Everyone who takes part, in the order of the tables."""

from tests.programs.bench.peers.arq import Arq
from tests.programs.bench.peers.blpop import MANY, ONE
from tests.programs.bench.peers.bullmq import BullMQ
from tests.programs.bench.peers.celery import CeleryPeer
from tests.programs.bench.peers.connect import Connect
from tests.programs.bench.peers.forwarder_peer import ForwarderPeer
from tests.programs.bench.peers.limit import Limit
from tests.programs.bench.peers.pair import Pair
from tests.programs.bench.peers.peer import Peer

PEERS: tuple[Peer, ...] = (ForwarderPeer(), Pair(), Limit(), ONE, MANY, Arq(), CeleryPeer(), BullMQ(), Connect())
