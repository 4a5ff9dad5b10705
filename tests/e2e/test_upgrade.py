"""The release before the present design and the present one on one queue: an upgrade, a rollback, and a crash of each.

The older one comes from this repository's history, so it is skipped where there is none. What it needs besides, and the
present one does not, is installed beside it.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.config import Settings
from forwarder.queue.keys import Keys
from forwarder.simulator import Faults, Simulator
from tests.support.faults import fault
from tests.support.promises import check, observed
from tests.support.service import WorkerProcess, census, command, environment, event, eventually, settings, settled

ROOT = Path(__file__).resolve().parents[2]
#: Release 0.1.0: before `forwarder` got its present packages and its present rows in Redis.
BEFORE = "6dc43a2"
LISTS = 4


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The variables with which a fresh interpreter runs the older release."""
    folder = tmp_path_factory.mktemp("older")
    archive = subprocess.run(["git", "archive", BEFORE, "forwarder"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"this checkout has no commit {BEFORE}")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    needs = ["--no-deps", "pydantic-settings", "python-dotenv"]
    install = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder), *needs]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        pytest.skip("pydantic-settings cannot be installed")
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


@pytest.fixture
def given(redis_url: str, queue_name: str, api: Simulator) -> Settings:
    return settings(redis_url, queue_name, api, shards=LISTS, lease_ttl=11.0, request_timeout=10.0, rate_limit=200)


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("upgrade", [True, False], ids=["upgrade", "rollback"])
@fault(
    "process",
    "another release takes over under load, or the one before does",
    "both work side by side, and the one that stays adopts the rest",
    keeps=(1, 2, 3),
)
async def test_two_releases_hand_a_queue_over_under_load(
    older: Mapping[str, str],
    redis_client: Redis,
    given: Settings,
    api: Simulator,
    tmp_path: Path,
    *,
    upgrade: bool,
    killed: bool,
) -> None:
    api.faults = Faults(latency=0.005)
    names = [Keys(given.queue, shard, of=LISTS).list for shard in range(LISTS)]
    environ = environment(given)
    pushed: list[bytes] = []
    enough = asyncio.Event()

    async def produce() -> None:
        """Until it is enough; a client of Redis may swallow a cancellation."""
        while not enough.is_set():
            for shard, name in enumerate(names):
                more = [event(f"u{shard}-{n % 40}", n) for n in range(len(pushed), len(pushed) + 5)]
                pushed.extend(more)
                await redis_client.rpush(name, *more)
            await asyncio.sleep(0.05)

    def start(name: str, *, old: bool) -> WorkerProcess:
        return WorkerProcess({**environ, **(older if old else {})}, tmp_path / name, fresh=True)

    async def owned_by_one(but: str = "") -> str | None:
        owners = {(await census(redis_client, name)).owner for name in names}
        return owners.pop() if len(owners) == 1 and not owners & {"", but} else None

    async def goes_on(beside: float) -> None:
        """Both run for this many seconds, and what is pushed in this time is accepted."""
        await asyncio.sleep(beside)
        seen = len(pushed)
        await eventually(lambda: api.ledger.accepted_events >= seen)

    going, producing = start("going", old=upgrade), asyncio.create_task(produce())
    coming: WorkerProcess | None = None
    disturbances: list[float] = []
    try:
        first = await eventually(owned_by_one, what="the first one owns every list")
        coming = start("coming", old=not upgrade)
        await coming.admin()
        await goes_on(beside=2.0)
        if killed:
            disturbances.append(time.monotonic())
            going.kill()
        else:
            assert await going.stopped() == 0
        await eventually(lambda: owned_by_one(but=first), within=40.0, what="the other one owns every list")
        await goes_on(beside=0.5)
        enough.set()
        await asyncio.wait({producing})
        for name in names:
            await settled(redis_client, name, within=60.0)
        assert await coming.stopped() == 0
    finally:
        enough.set()
        going.kill()
        if coming is not None:
            coming.kill()
    found = check(await observed(pushed, api, redis_client, *names, disturbances=disturbances))
    print(f"{len(pushed)} events pushed, {api.ledger.accepted_events} accepted, {len(found.explained)} of them again")
    assert found.faults == {}
    code, out, err = await command("audit", environment=environ)
    assert code == 0, out + err
