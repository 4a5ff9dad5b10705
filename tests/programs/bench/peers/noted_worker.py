"""The forwarder, which also writes down when each of its POSTs starts, in seconds of the monotonic clock."""

import os
from pathlib import Path

from forwarder.api.pacing.window import Window
from forwarder.cli import main


def _note(file: Path) -> None:
    started, stream = Window.started, file.open("a", buffering=1)

    def noted(self: Window, now: float, rate: float) -> None:
        stream.write(f"{now:.6f}\n")
        started(self, now, rate)

    Window.started = noted  # type: ignore[method-assign]


if __name__ == "__main__":
    _note(Path(os.environ["BENCH_STARTS"]))
    main()
