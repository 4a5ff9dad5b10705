"""Images under the names that are shipped. No registry is asked: the bases are made of Debian's packages."""

import shutil
import ssl
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.programs.containers.engine import command, docker
from tests.programs.image import ROOT, instructions

#: What takes long to make, and is used again. Delete it to make it again.
KEPT = ROOT / "build" / "containers"
BASE = KEPT / "base.tar"
COMPOSE = KEPT / "docker-compose"

_COMPOSE_MODULE = "github.com/docker/compose/v2/cmd@v2.40.3"
_SUITE, _MIRROR = "trixie", "http://deb.debian.org/debian"
_PACKAGES = "python3,python3-venv,python3-pip,ca-certificates,redis-server,prometheus"
_EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*")
#: What the official images have and Debian's packages have not. `$1` is the root of the image.
_HOOKS = (
    'ln -s python3 "$1/usr/bin/python"',
    'install -d -o 999 -g 1000 "$1/data"',
    'install -d -o 65534 -g 65534 "$1/prometheus"',
)


@cache
def shipped() -> dict[str, Any]:
    """The services of docker-compose.yml."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def bases() -> dict[str, tuple[str, ...]]:
    """The names of the images that are stood in for, each with what its configuration must say."""
    python = next(rest.split()[0] for word, rest in instructions() if word == "FROM")
    services = shipped()
    return {
        python: ('CMD ["python3"]',),
        services["redis"]["image"]: ("WORKDIR /data", "VOLUME /data"),
        services["prometheus"]["image"]: (
            "USER 65534:65534",
            "WORKDIR /prometheus",
            "VOLUME /prometheus",
            'ENTRYPOINT ["/bin/prometheus"]',
        ),
    }


def make_base() -> None:
    """Makes the root of a Debian with Python, Redis and Prometheus, and with what pip needs to reach its index."""
    made = BASE.with_suffix(".new.tar")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pip.conf").write_text(_pip_settings())
        authorities = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
        shutil.copy(authorities, folder / "ca-certificates.crt")
        hooks = (*_HOOKS, f"copy-in {folder}/pip.conf /etc", f"copy-in {folder}/ca-certificates.crt /etc/ssl/certs")
        subprocess.run(
            [
                *("nice", "-n", "10", "mmdebstrap", "--variant=minbase", f"--include={_PACKAGES}"),
                "--dpkgopt=force-unsafe-io",
                *(f"--dpkgopt=path-exclude={each}" for each in _EXCLUDED),
                *(f"--customize-hook={each}" for each in hooks),
                *(_SUITE, str(made), _MIRROR),
            ],
            check=True,
        )
    made.rename(BASE)


def _pip_settings() -> str:
    """How this machine's pip reaches its index, as a file for the pip of an image."""
    listed = subprocess.run(["pip", "config", "list"], capture_output=True, text=True, check=False).stdout
    found = {"cert": "/etc/ssl/certs/ca-certificates.crt"}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        if (key := name.rpartition(".")[2]) in {"index-url", "extra-index-url", "proxy", "trusted-host"}:
            found[key] = value.strip("'")
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in found.items())]) + "\n"


def make_compose() -> None:
    """Builds Docker's Compose from its source."""
    with tempfile.TemporaryDirectory() as name:
        for words in (
            ["go", "mod", "init", "compose.local"],
            ["go", "get", _COMPOSE_MODULE],
            ["nice", "-n", "10", "go", "build", "-o", str(COMPOSE), _COMPOSE_MODULE.partition("@")[0]],
        ):
            subprocess.run(words, cwd=name, check=True)


async def build() -> str:
    """Imports the bases, and builds the image as it is shipped. Returns its name."""
    for image, changes in bases().items():
        await docker("import", *(f"--change={each}" for each in changes), str(BASE), image)
    name: str = shipped()["forwarder"]["image"]
    await command("docker", "build", "--network", "host", "-f", "deploy/Dockerfile", "-t", name, ".", cwd=ROOT)
    return name
