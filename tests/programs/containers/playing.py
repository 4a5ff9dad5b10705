"""One fault under load, and the history checker's verdict."""

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise

from tests.programs.containers.faults import Fault
from tests.programs.containers.stage import QUEUE, Producer, Stage
from tests.programs.containers.table import Outcome
from tests.support.promises import check, observed
from tests.support.service import settled

#: Seconds of load before and after a fault.
_AROUND = 1.5


async def play(fault: Fault, stage: Stage) -> Outcome:
    """Starts the workers, pushes all along, causes the fault, waits until all is drained, and judges."""
    await stage.clear()
    producer = Producer(stage.redis)
    pushing = asyncio.create_task(producer.run())
    try:
        for name in fault.workers:
            await stage.start(name)
        if fault.workers:
            await stage.accepts(after=0)
        await asyncio.sleep(_AROUND)
        caused = await fault.cause(stage)
        again = await stage.accepts(after=caused.until, within=120)
        await asyncio.sleep(_AROUND)
    finally:
        producer.stop()
        await pushing
    calm = time.monotonic()
    await settled(stage.redis, QUEUE, within=120)
    await stage.keep_logs(fault.name, fault.workers or ("one",))
    window = (caused.since, caused.until)
    history = await observed(
        producer.pushed, stage.api, stage.redis, QUEUE, uncertain=producer.uncertain, unsettled=[window]
    )
    verdict = check(history)
    return Outcome(
        name=fault.name,
        pushed=len(producer.pushed),
        doubles=len(verdict.explained),
        again=again - caused.until,
        silence=_silence([post.at for post in history.posts], caused.since),
        drained=time.monotonic() - calm,
        seen=caused.seen,
        faults={kind: len(what) for kind, what in verdict.faults.items()},
        wrong=caused.wrong,
    )


def _silence(accepted: Sequence[float], since: float) -> float:
    """The longest time without an accepted POST, from the last one before a fault on, or else from the fault on."""
    times = [*([at for at in accepted if at < since] or [since])[-1:], *(at for at in accepted if at >= since)]
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)
