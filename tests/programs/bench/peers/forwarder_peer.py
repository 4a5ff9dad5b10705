"""forwarder itself, as it is installed, with its default settings but for the rate."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.programs.bench.peers.peer import AT_ONCE, KEY, Peer, Run


class ForwarderPeer(Peer):
    """See the module."""

    name = "forwarder"
    title = "forwarder"
    groups = True
    part = 30_000
    loses = "nothing: what it took stays in Redis, claimed, until the API has answered for it"
    ready = '"admin"'

    def command(self, run: Run) -> Sequence[str | Path]:
        return [sys.executable, "-m", "forwarder", "run"]

    def environment(self, run: Run) -> dict[str, str]:
        return {
            "FORWARDER_REDIS_URL": run.redis_url,
            "FORWARDER_API_URL": run.sink_url,
            "FORWARDER_API_KEY": KEY,
            "FORWARDER_RATE_LIMIT": str(run.rate),
            "FORWARDER_CONCURRENCY": str(AT_ONCE),
            "FORWARDER_MAX_EVENTS_PER_POST": str(run.work.most),
            "FORWARDER_ADMIN_PORT": "0",
            # A killed worker's lease is waited for: short, so that the kill test need not wait half a minute.
            "FORWARDER_LEASE_TTL": "11",
        }
