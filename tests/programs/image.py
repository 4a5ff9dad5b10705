"""Does by hand what deploy/Dockerfile does, in a clean folder, and says what the image holds.

`python -m tests.programs.image`

For where there is no engine to build images. What it cannot tell is the base: its size, and that its Python is another.
"""

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USER = 10001
_MB = 1e6
_ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PIP_QUIET": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def build(folder: Path) -> Path:
    """Takes the steps of the first stage within `folder`, and returns what the last stage copies from it."""
    source = folder / "src"
    for word, rest in instructions()[1:]:
        match word:
            case "FROM":
                break
            case "COPY":
                *names, target = rest.split()
                for name in names:
                    _copy(ROOT / name, source / target)
            case "RUN":
                command = rest.replace("/opt/", f"{folder}/opt/").replace("/build/", f"{folder}/build/")
                subprocess.run(["sh", "-euc", command], cwd=source, env=_ENVIRONMENT, check=True)
    return folder / "opt"


def _copy(what: Path, target: Path) -> None:
    """As COPY does it: a file into the folder, but of a folder what is in it; and as .dockerignore leaves out."""
    if what.is_dir():
        shutil.copytree(what, target, ignore=shutil.ignore_patterns("__pycache__", "*.py[co]"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(what, target)


def sizes(layer: Path) -> tuple[float, float]:
    """MB of the files in a folder, and of the same as a layer travels."""
    plain = sum(each.lstat().st_size for each in layer.rglob("*") if not each.is_dir()) / _MB
    with tempfile.TemporaryFile() as packed:
        with gzip.GzipFile(fileobj=packed, mode="wb") as stream, tarfile.open(fileobj=stream, mode="w|") as archive:
            archive.add(layer, arcname=".")
        return plain, packed.tell() / _MB


def started(layer: Path) -> str:
    """What `forwarder --version` says, to a user who owns nothing where that can be had, and of whom it is said."""
    command = [str(layer / "forwarder" / "bin" / "forwarder"), "--version"]
    run = partial(subprocess.run, command, env={}, cwd="/", stdout=subprocess.PIPE, text=True, check=True)
    try:
        return f"{run(user=USER, group=USER, extra_groups=[]).stdout.strip()} starts as user {USER}, who owns nothing"
    except PermissionError:  # not root, or a Python in somebody's home
        return f"{run().stdout.strip()} starts, as the user who asked: another one is refused here"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        layer = build(folder)
        print(started(layer))
        plain, packed = sizes(layer)
    print(f"on top of its base the image holds {plain:.0f} MB, packed {packed:.0f} MB")


if __name__ == "__main__":
    main()
