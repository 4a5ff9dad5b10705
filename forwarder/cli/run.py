"""`forwarder run`."""

import gc
import logging
import os
import sys
from typing import Annotated

import structlog
import typer

from forwarder import config
from forwarder.logs import Format
from forwarder.logs import setup as logs
from forwarder.logs.redaction import hide
from forwarder.logs.writer import Writer
from forwarder.monitor.systemd import Systemd
from forwarder.runtime import loop
from forwarder.service import Service

#: This many new objects start a garbage collection. With Python's 700, a worker would spend a fifth of its time on it.
_GARBAGE = 20_000

log = structlog.get_logger()


def run(
    log_format: Annotated[
        Format | None,
        typer.Option(
            help="json, or console for human-readable lines. Default: FORWARDER_LOG_FORMAT, "
            "else console on a terminal and json elsewhere."
        ),
    ] = None,
) -> None:
    """Run the service until a signal stops it."""
    settings = config.load()
    # Whatever writes to standard error from now on never waits for its reader: the log, warnings, a traceback.
    sys.stderr = writer = Writer(2, sys.stderr.encoding)
    logging.captureWarnings(capture=True)
    usual: Format = "console" if writer.isatty() else "json"
    logs.configure(log_format or settings.log_format or usual, settings.log_level, writer)
    for secret in config.secrets(settings):
        hide(secret)
    service = Service(settings, systemd=Systemd(os.environ))
    log.info("starting", **service.identity)
    for warning in settings.warnings():
        log.warning(warning)
    _collect_rarely()
    loop.run(service.run())


def _collect_rarely() -> None:
    """Collects garbage rarely, and never what was imported: reference counts free nearly all objects."""
    gc.freeze()
    gc.set_threshold(_GARBAGE)
