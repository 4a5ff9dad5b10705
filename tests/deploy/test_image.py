"""What deploy/Dockerfile promises to whoever runs the image."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from redis.asyncio import Redis

from forwarder.simulator import Simulator
from tests.programs.image import ROOT, USER, instructions
from tests.programs.materials import SHIPPED, direct, pins
from tests.support.service import event, eventually, free_port, running, settings

PIN = re.compile(r"[a-z0-9-]+==[0-9][0-9A-Za-z.]*( ; .+)?")
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")


def last_stage() -> dict[str, str]:
    found = instructions()
    start = max(position for position, (word, _) in enumerate(found) if word == "FROM")
    return dict(found[start:])


@pytest.mark.skipif(HADOLINT is None, reason="no hadolint for this machine")
def test_hadolint_finds_nothing(tmp_path: Path) -> None:
    assert HADOLINT is not None
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    for content, finds in [(text, False), (text.replace("USER 10001:10001", "USER root"), True)]:
        file = tmp_path / "Dockerfile"
        file.write_text(content)
        result = subprocess.run([HADOLINT, "--no-color", file], capture_output=True, text=True, check=False)
        assert (result.returncode != 0) == finds, result.stdout


def test_the_base_is_pinned_to_a_release_and_named_twice_alike() -> None:
    bases = {rest.split()[0] for word, rest in instructions() if word == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+(\.\d+)?-slim-\w+(@sha256:[0-9a-f]{64})?", bases.pop())


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    assert last_stage()["USER"] == f"{USER}:{USER}"


def test_the_image_runs_the_forwarder_and_stops_on_sigterm() -> None:
    stage = last_stage()
    assert json.loads(stage["ENTRYPOINT"]) == ["forwarder"]  # exec form: a shell would swallow the signal
    assert json.loads(stage["CMD"]) == ["run"]
    assert stage["STOPSIGNAL"] == "SIGTERM"
    assert "PYTHONUNBUFFERED=1" in stage["ENV"]


def checked(port: object) -> list[str]:
    """The command of the image's health check, for a service at another port."""
    program, *words = json.loads(last_stage()["HEALTHCHECK"].partition("CMD ")[2])
    assert program == "python"
    return [sys.executable, *(word.replace(":9464/livez", f":{port}/livez") for word in words)]


async def ended(program: list[str]) -> int:
    """Its exit code, where Docker gives every container a proxy (`proxies` in its config.json)."""
    everything = {**os.environ, "http_proxy": f"http://127.0.0.1:{free_port()}"}
    process = await asyncio.create_subprocess_exec(*program, env=everything, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_the_image_is_healthy_while_it_is_alive_even_when_it_is_halted(
    redis_url: str, redis_client: Redis, queue_name: str, api: Simulator
) -> None:
    api.api_key = "another-one"
    await redis_client.rpush(queue_name, event("u", 1))
    async with running(settings(redis_url, queue_name, api)) as service:

        async def halted() -> bool:
            return (await service.get("/readyz"))[0] == 503

        await eventually(halted, what="it halts")
        assert await ended(checked(service.url.rpartition(":")[2])) == 0
    assert await ended(checked(free_port())) == 1
    assert last_stage()["EXPOSE"] == "9464"


def test_the_last_stage_installs_nothing() -> None:
    assert "RUN" not in last_stage()


def test_everything_the_image_is_built_from_passes_dockerignore() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    assert {source for sources in copied for source in sources} == allowed
    for source in allowed:
        assert (ROOT / source).exists(), source


def test_constraints_are_plain_pins_of_other_projects() -> None:
    lines = (ROOT / "deploy" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert pins
    for pin in pins:
        assert PIN.fullmatch(pin), pin
        assert not pin.startswith("forwarder==")
    assert not any("://" in line for line in lines)


def locked(name: str) -> dict[str, tuple[str, set[str]]]:
    """The version and the hashes of each project in a list under deploy/."""
    text = (ROOT / "deploy" / name).read_text()
    assert "://" not in text
    entries = "".join(line + "\n" for line in text.splitlines() if not line.startswith("#")).replace("\\\n", "")
    found = {}
    for entry in entries.splitlines():
        pin, *hashes = re.split(r"\s+--hash=", entry.strip())
        assert PIN.fullmatch(pin.strip()), entry
        project, version = re.split("==| ", pin)[:2]
        assert hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), entry
        found[project] = (version, set(hashes))
    return found


def test_everything_that_the_image_installs_has_a_hash_and_the_version_of_the_constraints() -> None:
    runtime = locked("requirements.txt")
    assert runtime.keys() >= direct()
    assert {name: version for name, (version, _) in runtime.items()}.items() <= pins().items()
    backend = locked("requirements-build.txt")
    (wanted,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert wanted == f"hatchling=={backend['hatchling'][0]}"
    for name in backend.keys() & pins().keys():
        assert backend[name][0] == pins()[name]


def test_the_bill_of_materials_is_in_the_image() -> None:
    (steps,) = [rest for word, rest in instructions() if word == "RUN"]
    (step,) = [step.split() for step in steps.split("&&") if SHIPPED.name in step]
    assert step == ["cp", "--no-preserve=mode", str(SHIPPED.relative_to(ROOT)), "/opt/forwarder/"]
    assert "/opt/forwarder /opt/forwarder" in last_stage()["COPY"]


def test_the_image_takes_nothing_from_elsewhere_that_has_no_hash() -> None:
    (steps,) = [rest for word, rest in instructions() if word == "RUN"]
    for step in (step.split() for step in steps.split("&&")):
        if {"install", "wheel"} & {*step}:
            assert {"--require-hashes", "--no-index"} & {*step}, step
        if "wheel" in step:
            assert "--no-build-isolation" in step, "what builds it is installed before, by its hash"


def test_a_forged_package_is_not_installed(tmp_path: Path) -> None:
    """A mirror offers others of the same names and versions; nothing of them is run."""
    (offered := tmp_path / "offered").mkdir()
    for name, (version, _) in locked("requirements-build.txt").items():
        stem = f"{name.replace('-', '_')}-{version}"
        with zipfile.ZipFile(offered / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    (steps,) = [rest for word, rest in instructions() if word == "RUN"]
    (options,) = [step.partition(" install ")[2] for step in steps.split("&&") if "requirements-build.txt" in step]
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-index"]
    command = [*pip, f"--find-links={offered}", "--no-deps", *options.split()]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert "DO NOT MATCH THE HASHES" in ran.stderr
