"""The release: every file that names its version names the same one."""

import json
import re
from pathlib import Path

from forwarder import __version__

ROOT = Path(__file__).resolve().parents[3]


def test_the_changelog_begins_with_this_release_and_its_date() -> None:
    heading = re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heading is not None
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - (\d{{4}}-\d\d-\d\d|Unreleased)", heading[1]), heading[1]


def test_the_deployment_and_the_bill_of_materials_are_of_this_release() -> None:
    overlay = (ROOT / "deploy/kubernetes/overlays/plain/kustomization.yaml").read_text(encoding="utf-8")
    assert re.findall(r"newTag: (\S+)", overlay) == [__version__]
    bill = json.loads((ROOT / "deploy/sbom.cdx.json").read_text(encoding="utf-8"))
    assert bill["metadata"]["component"]["version"] == __version__


def test_the_first_line_of_the_log_in_the_reference_is_of_this_release() -> None:
    page = (ROOT / "deploy/reference.md").read_text(encoding="utf-8")
    assert re.findall(r'"version": "([^"]+)"', page) == [__version__]
