"""Admin HTTP: the status page, what a supervisor and Prometheus ask, and a few actions behind a token.

``server`` listens, ``pages`` routes what is for people, ``assets`` holds the page's files and the headers of every
answer. ``board`` puts together what the page shows: ``lookout`` asks Redis, ``letters`` reads the dead letters,
``history`` remembers 15 minutes, ``words`` says it plainly. ``gauges`` shows Prometheus what ``lookout`` saw,
``digest`` says in the log how it goes. ``guard`` decides who may act, ``actions`` does it.
"""

from forwarder.admin.readiness import Readiness
from forwarder.admin.server import Admin

__all__ = ["Admin", "Readiness"]
