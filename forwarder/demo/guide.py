"""What to try with a demo that is left running: commands that can be copied as they are.

Each line is at most 60 columns wide, so that no terminal breaks it, as far as the length of paths allows.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from forwarder.demo.check import REFUSED

#: A user of the guide's own: none of the shop's customers is called so.
_USER = "u"


def steps(redis_url: str, api_url: str, admin: str) -> Iterator[tuple[str, list[str]]]:
    """What can be tried, and the commands for it."""
    yield "First", [*_alias(), f"export FORWARDER_REDIS_URL={redis_url}"]
    yield "Push an event", [_push("hello")]
    yield "See that the stand-in API has accepted it", [f"curl -s '{api_url}/ledger?summary=1'"]
    yield "Open the status page", [f"{admin}/"]
    yield (
        "Push an event that the stand-in refuses, and look at the dead letter (`forwarder dead show ID` explains it)",
        [_push(REFUSED), f"forwarder dead list --user {_USER}"],
    )
    yield "Stop everything (or press Ctrl-C here)", [f"kill {os.getpid()}"]


def _push(name: str) -> str:
    return f"""echo '{{"user_id":"{_USER}","name":"{name}"}}' | forwarder push"""


def _alias() -> Iterator[str]:
    """Makes `forwarder` mean this program, if it is not on the PATH."""
    started, found = Path(sys.argv[0]), shutil.which("forwarder")
    if found and started.exists() and Path(found).samefile(started):
        return
    ours = [sys.executable, "-m", "forwarder"] if started.name == "__main__.py" else [str(started.absolute())]
    yield f"alias forwarder={shlex.quote(shlex.join(ours))}"
