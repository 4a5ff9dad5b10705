"""The journal of systemd: whether a stream leads there, and the priority of each line. No library.

sd-daemon(3) and systemd.exec(5) describe both. The journal makes an entry of each line and takes the priority off, so
`journalctl -p warning` selects by it, and an entry is the same text as elsewhere.
"""

import os
from io import TextIOBase
from typing import TextIO

#: By the level of the log: those of syslog(3). 6, info, is what the journal takes a line for that has none.
_PRIORITIES = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}


def leads_there(stream: TextIO | TextIOBase) -> bool:
    """Whether systemd has connected this stream to the journal.

    JOURNAL_STREAM has the device and the inode of what it connected. The variable alone says nothing: a child inherits
    it, even if its standard error is a file or a terminal.
    """
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # it is closed, or has no descriptor
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def with_priority(text: str, level: str) -> str:
    """The text with the priority of this level before each of its lines."""
    mark = f"<{_PRIORITIES.get(level, 6)}>"
    return mark + text.replace("\n", f"\n{mark}")
