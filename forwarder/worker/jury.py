"""What this worker suspects, the fleet decides: the dead-letter brake's part of a heartbeat."""

from collections.abc import Iterable

from forwarder.outcome import Halt
from forwarder.pipeline.brake import Brake
from forwarder.pipeline.settlement import Settler
from forwarder.queue.fleet import Fleet


class Jury:
    """Reports what this worker has decided, and passes the fleet's verdict on."""

    def __init__(self, brake: Brake, fleet: Fleet) -> None:
        self._brake = brake
        self._windows = ((brake.answers, fleet.answers), (brake.elements, fleet.elements))

    async def meet(self, workers: int, settlers: Iterable[Settler]) -> Halt | None:
        """Reports if there is something to report, or if something waits. Returns the halt if that is the verdict.

        If nothing has to wait any more, what waits in `settlers` becomes dead letters.

        Args:
            workers: how many workers decide.
            settlers: of the lists that this worker owns.

        Raises:
            WrongTypeError: a key of the fleet holds another type.
            UnreachableError: Redis gave no answer. What waits goes on waiting.
        """
        self._brake.share(workers)
        for window, decisions in self._windows:
            report = window.report()
            if report is None:
                continue
            halt = window.judge(await decisions.tally(report, window=window.size))
            if halt is not None:
                return halt
            if not window.waiting:
                for settler in tuple(settlers):
                    settler.release(window)
        return None
