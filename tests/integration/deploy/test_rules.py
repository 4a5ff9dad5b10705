"""What Prometheus' own tool says of the rules."""

import subprocess

import pytest

from tests.support.servers.prometheus import DEPLOYED, program


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"],
        ["check", "rules", "--lint=all", "--lint-fatal", "rules.yml"],
        pytest.param(["test", "rules", "rules_test.yml"], marks=pytest.mark.long),
    ],
)
def test_promtool_is_content(arguments: list[str]) -> None:
    """The last one lets every alert fire, and stay silent, in the cases of rules_test.yml."""
    done = subprocess.run([program("promtool"), *arguments], cwd=DEPLOYED, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
