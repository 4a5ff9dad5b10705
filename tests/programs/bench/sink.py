"""The address that everyone POSTs to: nginx, which reads each body, answers 202 and writes its length down."""

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.programs.bench.work import POST_OVERHEAD
from tests.support.service import free_port

_CONF = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    log_format posts '$msec $content_length';
    access_log {folder}/posts.log posts{buffer};
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        default_type application/json;
        location / {{ return 202 '{{}}'; }}
    }}
}}
"""


class NginxMissingError(Exception):
    """There is no nginx here."""


def find_nginx() -> str:
    """Debian keeps it where users do not look."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise NginxMissingError("no nginx found: apt-get install nginx-light")
    return found


class Sink:
    """One nginx of one process, and what it has been sent so far.

    Args:
        folder: its own.
        hasty: whether it writes each POST down at once, which costs it some speed.
    """

    def __init__(self, folder: Path, *, hasty: bool = False) -> None:
        self._folder = folder
        self._buffer = "" if hasty else " buffer=32k flush=50ms"
        self._port = free_port()
        self._rest = b""
        self.posts = 0
        #: Bytes of all bodies less what each POST adds to its events: compare Work.payload.
        self.payload = 0
        self.last = 0.0
        #: When each POST had arrived, in seconds since 1970.
        self.times: list[float] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        conf = self._folder / "nginx.conf"
        conf.write_text(_CONF.format(folder=self._folder, port=self._port, buffer=self._buffer))
        with (self._folder / "nginx.log").open("wb") as log:
            self._process = subprocess.Popen(
                [find_nginx(), "-p", self._folder, "-c", conf, "-e", self._folder / "error.log"], stderr=log
            )
        deadline = time.monotonic() + 10
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NginxMissingError(f"nginx does not start: {(self._folder / 'error.log').read_text()}")
            time.sleep(0.02)
        self._log = (self._folder / "posts.log").open("rb")
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def look(self) -> None:
        """Reads what nginx has written since."""
        *lines, self._rest = (self._rest + self._log.read()).split(b"\n")
        for line in lines:
            at, length = line.split()
            if length != b"-":
                self.posts += 1
                self.payload += int(length) - POST_OVERHEAD
                self.times.append(float(at))
                self.last = max(self.last, self.times[-1])
