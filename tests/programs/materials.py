"""What an installation is made of, and whether any of that is known to be vulnerable.

`python -m tests.programs.materials`

Writes build/sbom.cdx.json, a bill of materials (CycloneDX) of what the image holds, and checks it against the pins.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from tests.programs.image import build

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
#: Exit code for a bill that is right, of something that is known to be vulnerable.
VULNERABLE = 3
BILL = ROOT / "build" / "sbom.cdx.json"


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


def write_bill() -> dict[str, Any]:
    """The bill of a fresh installation, which the steps of the Dockerfile make."""
    BILL.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        python = build(Path(folder)) / "forwarder" / "bin" / "python"
        ran = tool("cyclonedx-py", "environment", "--pyproject", "pyproject.toml", "--output-file", BILL, python)
    if ran.returncode:
        raise SystemExit(f"no bill of materials: {ran.stderr.strip()}")
    found: dict[str, Any] = json.loads(BILL.read_text())
    return found


def objections(bill: dict[str, Any], pinned: dict[str, str], needed: set[str]) -> list[str]:
    """What the bill lacks, and where it says another version than the pins."""
    listed = {each["name"].lower().replace("_", "-"): each["version"] for each in bill["components"]}
    lacking = [f"{name} is not in it" for name in sorted(needed - listed.keys())]
    others = [
        f"it has {name} {version}, and the pin is {pinned.get(name, 'none')}"
        for name, version in sorted(listed.items())
        if pinned.get(name) != version and name not in {"forwarder", "pip"}
    ]
    return lacking + others


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
    bill = write_bill()
    wrong = [f"{BILL.relative_to(ROOT)}: {objection}" for objection in objections(bill, pins(), direct())]
    print(f"{BILL.relative_to(ROOT)}: {len(bill['components'])} components")
    known = vulnerabilities()
    if known is not None:
        print(f"{len(pins())} pins, {len(known)} known vulnerabilities")
    for each in wrong + (known or []):
        print(each, file=sys.stderr)
    return 1 if wrong else VULNERABLE if known else 0


if __name__ == "__main__":
    sys.exit(main())
