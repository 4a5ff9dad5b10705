"""The ``forwarder`` command, and ``python -m forwarder``."""

import sys

from forwarder.runtime import signals


def main() -> None:
    """Entry point. Signals come first: what a command imports takes most of a second on a slow machine."""
    signals.end_like_any_process()
    try:
        from forwarder.cli import main as command  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        sys.exit(130)  # the code that a shell reports for SIGINT
    command()


if __name__ == "__main__":
    main()
