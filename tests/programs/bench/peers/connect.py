"""Benthos, the one that can group, in windows of what it has popped.

It lives on as Redpanda Connect, whose later releases have a licence that is none of open source and are not served as
modules everywhere; input, processors and output that are used here are the same.
"""

import base64
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.programs.bench.peers.peer import (
    AT_ONCE,
    KEY,
    Peer,
    Run,
    UnavailableError,
    install_step,
    is_installed,
    note_installed,
)

_MODULE = "github.com/benthosdev/benthos/v4@v4.27.0"
#: Events of one window; it is also what a kill loses. Larger ones took longer, not shorter. A window that does not fill
#: ends after ten seconds where POSTs are few, which saves most of them, and after one where they are not: the best of
#: 0.25, 1 and 5 s there.
WINDOW = 100_000


class Connect(Peer):
    """See the module."""

    name = "connect"
    title = f"Benthos (Redpanda Connect), windows of {WINDOW:,}"
    groups = True
    part = 30_000
    loses = f"up to {WINDOW:,} events and those in flight: redis_list pops them before they are sent"
    ready = "is now active"

    def install(self, scratch: Path) -> None:
        go = shutil.which("go")
        if go is None:
            raise UnavailableError("no go: apt-get install golang, 1.22 or newer")
        folder = scratch / "connect"
        self._program = folder / "connect"
        source = Path(__file__).with_name("connect.go")
        if is_installed(folder, wanted := f"{_MODULE}\n{source.read_text()}"):
            return
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / "main.go")
        (folder / "go.mod").unlink(missing_ok=True)
        install_step(go, "mod", "init", "bench", cwd=folder)
        install_step(go, "get", _MODULE, cwd=folder)
        install_step(go, "get", "bench", cwd=folder)
        install_step(go, "build", "-o", self._program, ".", cwd=folder)
        note_installed(folder, wanted)

    def command(self, run: Run) -> Sequence[str | Path]:
        conf = run.folder / "connect.json"
        conf.write_text(json.dumps(_configuration(run)))  # JSON is YAML
        return [self._program, "-c", conf]


def _configuration(run: Run) -> dict[str, object]:
    redis = {"url": run.redis_url, "key": "events", "max_in_flight": 0, "timeout": "1s"}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Authorization": _authorization(),
    }
    url = run.sink_url + '/v6/users/${! metadata("user") }/events'
    output = {"url": url, "verb": "POST", "headers": headers, "max_in_flight": AT_ONCE, "timeout": "10s"}
    limits = [{"label": "api", "local": {"count": run.rate, "interval": "1s"}}] if run.rate else []
    return {
        "http": {"enabled": False},
        "input": {
            "broker": {
                "inputs": [{"redis_list": redis}],
                "batching": {"count": WINDOW, "period": "10s" if run.rate else "1s"},
            }
        },
        "pipeline": {
            "processors": [
                {"mapping": 'meta user = this.user_id\nroot = this.without("user_id")'},
                {"group_by_value": {"value": '${! metadata("user") }'}},
                {"split": {"size": run.work.most}},
                {"archive": {"format": "json_array"}},
                {"mapping": 'root = {"events": this}'},
            ]
        },
        "output": {"http_client": {**output, "rate_limit": "api"} if run.rate else output},
        "rate_limit_resources": limits,
    }


def _authorization() -> str:
    return "Basic " + base64.b64encode(f":{KEY}".encode()).decode()
