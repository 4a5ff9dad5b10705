"""A Docker engine of its own. It lives in namespaces of its own, so that nothing of it is left when it ends."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

#: Everything that is started here is in these control groups.
_GROUP = "forwarder-containers"
#: Seconds in which dockerd must answer.
_START = 60.0


class DockerError(Exception):
    """A command of Docker failed; its own words."""


def apart(module: str, *words: str, network: bool) -> int:
    """Runs a module of Python with mounts and processes of its own, and returns its exit code.

    When it ends, whatever it started is killed and whatever it mounted is gone. Without the machine's network it can
    use any address, and its bridges and rules are seen by nobody else.
    """
    spaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *([] if network else ["--net"])]
    try:
        return subprocess.run(
            # setpriv: it ends with this process too, however that ends.
            [
                "setpriv",
                "--pdeathsig",
                "KILL",
                "unshare",
                *spaces,
                "nice",
                "-n",
                "10",
                sys.executable,
                "-m",
                module,
                *words,
            ],
            check=False,
        ).returncode
    finally:
        _remove_groups()


def _remove_groups() -> None:
    for top in [Path("/sys/fs/cgroup") / _GROUP, *Path("/sys/fs/cgroup").glob(f"*/{_GROUP}")]:
        for group in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                group.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()


@contextlib.asynccontextmanager
async def engine(folder: Path, *, network: bool) -> AsyncIterator[None]:
    """Runs dockerd while entered; :func:`docker` speaks with it. Its images stay in `folder`.

    On the machine's network it changes no rule and makes no bridge; there it can only build.
    """
    run = folder / "run"
    run.mkdir(exist_ok=True)
    (run / "docker.pid").unlink(missing_ok=True)
    os.environ |= {"DOCKER_HOST": f"unix://{run}/docker.sock", "DOCKER_CONFIG": str(run), "DOCKER_BUILDKIT": "0"}
    words = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"] if network else []
    if not network:
        await command("ip", "link", "set", "lo", "up")
    with (folder / "dockerd.log").open("ab") as log:
        daemon = await asyncio.create_subprocess_exec(
            *["dockerd", "--data-root", str(folder / "data")],
            *[
                "--exec-root",
                str(run / "exec"),
                "--pidfile",
                str(run / "docker.pid"),
                "--host",
                f"unix://{run}/docker.sock",
            ],
            # To go below the present value needs a right that not even root has everywhere.
            *["--oom-score-adjust", "0", "--cgroup-parent", f"/{_GROUP}", *words],
            stdout=log,
            stderr=log,
        )
        try:
            await _answers(daemon, folder / "dockerd.log")
            yield
        finally:
            if daemon.returncode is None:
                daemon.terminate()
                await daemon.wait()


async def _answers(daemon: asyncio.subprocess.Process, log: Path) -> None:
    for _ in range(int(_START / 0.2)):
        if daemon.returncode is not None:
            break
        with contextlib.suppress(DockerError):
            await docker("info")
            return
        await asyncio.sleep(0.2)
    raise DockerError(f"dockerd does not answer:\n{log.read_text()[-2000:]}")


async def docker(*words: str, given: bytes | None = None) -> str:
    """Runs `docker` and returns what it prints.

    Raises:
        DockerError: it failed.
    """
    return await command("docker", *words, given=given)


async def command(*words: str, given: bytes | None = None, cwd: Path | None = None) -> str:
    """Runs a program and returns what it prints on standard output.

    Raises:
        DockerError: it failed.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words, stdin=pipe if given is not None else asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, cwd=cwd
    )
    out, problem = await process.communicate(given)
    if process.returncode:
        raise DockerError(
            f"{' '.join(words)}: exit {process.returncode}\n{problem.decode()[-2000:]}{out.decode()[-500:]}"
        )
    return out.decode().strip()
