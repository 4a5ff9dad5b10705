"""What an installation is made of, whether any of that is known to be vulnerable, and whether it is built reproducibly.

`python -m tests.programs.materials`

Writes build/sbom.cdx.json, a bill of materials (CycloneDX) of what the image adds to its base, and compares it with
the pins and with deploy/sbom.cdx.json, which goes into the image. Builds the wheel and the sdist from two copies of
the sources, with other times, modes, time zones and umasks, and compares their bytes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import forwarder
from tests.programs.image import build

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
#: Exit code for a bill that is right, of something that is known to be vulnerable.
VULNERABLE = 3
BILL = ROOT / "build" / "sbom.cdx.json"
#: The one that goes into the image, so that no build needs a tool or the network to write it.
SHIPPED = ROOT / "deploy" / "sbom.cdx.json"
#: What the bill says of a project. What else the tool knows, links above all, is in the project's own metadata.
_KEPT = ("bom-ref", "type", "name", "version", "purl", "licenses")


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a program that stands beside this Python."""
    program = Path(sys.executable).parent / name
    if not program.exists():
        raise SystemExit(f"there is no {program}: pip install -c deploy/constraints.txt -e '.[materials]'")
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def pins() -> dict[str, str]:
    """The version of each project in the constraints."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", CONSTRAINTS.read_text(), re.MULTILINE))


def direct() -> set[str]:
    """What pyproject.toml says that the service needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[\[<>=~!; ]", each, maxsplit=1)[0] for each in project["dependencies"]}


def conditional() -> set[str]:
    """The projects that only some Pythons or systems need."""
    return set(re.findall(r"^([\w.-]+)==[^\s;]+ ;", CONSTRAINTS.read_text(), re.MULTILINE))


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def write_bill(image: Path) -> dict[str, Any]:
    """The bill of a fresh installation, which the steps of the Dockerfile have made."""
    BILL.parent.mkdir(exist_ok=True)
    options = ("--pyproject", "pyproject.toml", "--output-reproducible", "--output-file", BILL)
    ran = tool("cyclonedx-py", "environment", *options, image / "opt" / "forwarder" / "bin" / "python")
    if ran.returncode:
        raise SystemExit(f"no bill of materials: {ran.stderr.strip()}")
    found: dict[str, Any] = json.loads(BILL.read_text())
    found["metadata"]["component"]["version"] = forwarder.__version__
    found["components"] = [_short(each) for each in found["components"]]
    found["metadata"]["tools"]["components"] = [_short(each) for each in found["metadata"]["tools"]["components"]]
    BILL.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    return found


def _short(component: dict[str, Any]) -> dict[str, Any]:
    return {name: component[name] for name in _KEPT if name in component}


def objections(bill: dict[str, Any], pinned: dict[str, str], needed: set[str]) -> list[str]:
    """What the bill lacks, and where it says another version than the pins."""
    listed = {normal(each["name"]): each["version"] for each in bill["components"]}
    lacking = [f"{name} is not in it" for name in sorted(needed - listed.keys())]
    others = [
        f"it has {name} {version}, and the pin is {pinned.get(name, 'none')}"
        for name, version in sorted(listed.items())
        if pinned.get(name) != version and name not in {"forwarder", "pip"}
    ]
    return lacking + others


def is_out_of_date(shipped: dict[str, Any], fresh: dict[str, Any]) -> bool:
    """Whether they list other projects; those that only some Pythons need do not count."""

    def always(bill: dict[str, Any]) -> list[dict[str, Any]]:
        return [each for each in bill["components"] if normal(each["name"]) not in conditional()]

    return always(shipped) != always(fresh)


def packages(backend: Path, folder: Path, umask: int, **environment: str) -> dict[str, bytes]:
    """The wheel and the sdist of the sources in a folder, by name."""
    command = [str(backend), "-m", "hatchling", "build", "-d", "dist"]
    everything = {**os.environ, **environment}
    ran = subprocess.run(command, cwd=folder, env=everything, umask=umask, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"no packages: {ran.stderr.strip()}")
    return {file.name: file.read_bytes() for file in (folder / "dist").iterdir()}


def irreproducible(backend: Path, folder: Path) -> list[str]:
    """The packages whose bytes depend on more than on the sources."""
    ignored = shutil.ignore_patterns("__pycache__", ".*", "build", "dist")
    first, second = folder / "first", folder / "another" / "second"
    for copied in (first, second):
        shutil.copytree(ROOT, copied, ignore=ignored)
    for each in second.rglob("*"):
        each.chmod(0o700 if each.is_dir() or os.access(each, os.X_OK) else 0o600)
        os.utime(each, (10**9, 10**9))
    one = packages(backend, first, 0o022, TZ="UTC", PYTHONHASHSEED="1")
    other = packages(backend, second, 0o077, TZ="Pacific/Auckland", PYTHONHASHSEED="2")
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def vulnerabilities() -> list[str] | None:
    """Known ones of what is pinned; None if they cannot be looked up, all of them."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        options = ("--no-deps", "--disable-pip", "--progress-spinner=off", "--format=json", f"--output={report}")
        ran = tool("pip-audit", f"--requirement={CONSTRAINTS}", *options)
        if not report.exists():
            print(f"not looked up: {(ran.stderr.strip().splitlines() or ['no answer'])[-1][:300]}")
            return None
        found = json.loads(report.read_text())["dependencies"]
    # A mirror may serve the packages, and not what is known of them.
    skipped = [each["skip_reason"] for each in found if "skip_reason" in each]
    if skipped:
        print(f"not looked up: {len(skipped)} of {len(found)} pins, such as: {skipped[0]}")
    if len(skipped) == len(found):
        return None
    return [
        f"{each['name']} {each['version']}: {known['id']}, mended in {', '.join(known['fix_versions']) or 'no version'}"
        for each in found
        for known in each.get("vulns", ())
    ]


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        build(folder := Path(name))
        bill = write_bill(folder)
        differing = irreproducible(folder / "build" / "backend" / "bin" / "python", folder)
    wrong = [f"{BILL.relative_to(ROOT)}: {objection}" for objection in objections(bill, pins(), direct())]
    wrong += [f"{each} is not reproducible: two builds of the same sources differ" for each in differing]
    if is_out_of_date(json.loads(SHIPPED.read_text()), bill):
        wrong.append(f"{SHIPPED.relative_to(ROOT)} is out of date: cp {BILL.relative_to(ROOT)} {SHIPPED.parent.name}/")
    print(f"{BILL.relative_to(ROOT)}: {len(bill['components'])} components")
    print(f"wheel and sdist, built twice: {'other bytes' if differing else 'the same bytes'}")
    known = vulnerabilities()
    if known is not None:
        print(f"{len(pins())} pins, {len(known)} known vulnerabilities")
    for each in wrong + (known or []):
        print(each, file=sys.stderr)
    return 1 if wrong else VULNERABLE if known else 0


if __name__ == "__main__":
    sys.exit(main())
