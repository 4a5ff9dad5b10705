"""Puts faults back that were fixed, one at a time, and lets the simulated fleet find them.

`python -m tests.programs.fleet.faults_back` plays the scene of each fault with three seeds: with the code of today, in
which nothing may be found, and with the fault, which must be found. `--publish` writes the table into
`tests/fault/README.md`.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import msgspec
from rich.console import Console

from tests.programs.mutations.broken import broken, environment
from tests.programs.mutations.faults_back import FAULTS_BACK, FaultBack
from tests.support.documents import PROOF, written
from tests.support.fleet.scenes import SCENES, Played, played
from tests.support.virtual.stepped import why_not

_COMMAND = "python -m tests.programs.fleet.faults_back"


@dataclass(frozen=True)
class Found:
    """What one run of a scene found, after how many real seconds."""

    seed: str
    seconds: float
    played: Played

    @property
    def kind(self) -> str:
        """Which promise is broken; empty if none is."""
        return self.played.faults[0].split(": ")[1] if self.played.faults else ""


def find(fault: FaultBack, seed: str) -> Found:
    """Plays the scene of a fault in a copy of the tree that has it."""
    with broken(fault.edits) as copy:
        begun = time.monotonic()
        ran = subprocess.run(
            [sys.executable, "-m", "tests.programs.fleet.faults_back", "--scene", fault.scene, "--seeds", seed],
            cwd=copy,
            env=environment(copy),
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - begun
    try:
        return Found(seed, seconds, msgspec.json.decode(ran.stdout, type=Played))
    except msgspec.DecodeError:
        raise RuntimeError(f"{fault.what}: the scene could not be played: {ran.stderr[-2_000:]}") from None


def _sound(console: Console, scenes: Iterable[str], seeds: Sequence[str]) -> bool:
    """Whether the code of today keeps every promise in these scenes."""
    sound, hours, begun = True, 0.0, time.monotonic()
    for scene in scenes:
        for seed in seeds:
            result = played(scene, seed=seed)
            hours += result.hours
            for each in result.faults:
                sound = False
                console.print(f"✘ {scene}, seed {seed}, without a fault: {each}", style="red", markup=False)
    seconds = time.monotonic() - begun
    console.print(f"without a fault: {hours:.2f} virtual hours in {seconds:.0f} s, every promise kept: {sound}")
    return sound


def _row(fault: FaultBack, found: Sequence[Found]) -> str:
    hits = [each for each in found if each.kind]
    if not hits:
        return f"| {fault.what} | {fault.scene} | **nothing** |  |  | 0 of {len(found)} |"
    kinds = "; ".join(dict.fromkeys(each.kind for each in hits))
    minutes = median(each.played.hours for each in hits) * 60
    seconds = median(each.seconds for each in hits)
    return f"| {fault.what} | {fault.scene} | {kinds} | {minutes:.1f} | {seconds:.0f} | {len(hits)} of {len(found)} |"


def _publish(rows: Sequence[str], seeds: Sequence[str]) -> None:
    head = "| fault put back | scene | what is violated | virtual minutes | real seconds | seeds that find it |"
    table = "\n".join([head, "|---|---|---|--:|--:|--:|", *rows])
    said = f"Medians over these seeds, by `{_COMMAND} --seeds {' '.join(seeds)} --publish`:"
    text = written(PROOF.read_text(encoding="utf-8"), "faults back", f"\n{said}\n\n{table}\n\n")
    PROOF.write_text(text, encoding="utf-8")


def main() -> int:
    """Prints a row for each fault; 1 if one was not found by any seed, or something was found without a fault."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description=__doc__)
    parser.add_argument("-k", default="", metavar="TEXT", help="only faults whose description or scene has TEXT")
    parser.add_argument("--seeds", nargs="+", default=["1", "2", "3"])
    parser.add_argument("--publish", action="store_true", help="write the table into tests/fault/README.md")
    parser.add_argument("--scene", choices=sorted(SCENES), help="only play this scene, and print what became of it")
    given = parser.parse_args()
    if reason := why_not():
        print(f"cannot simulate: {reason}")
        return 1
    if given.scene:
        print(msgspec.json.encode(played(given.scene, seed=given.seeds[0])).decode())
        return 0
    console = Console()
    chosen = [each for each in FAULTS_BACK if given.k in each.what or given.k in each.scene]
    sound = _sound(console, dict.fromkeys(each.scene for each in chosen), given.seeds)
    rows, missed = [], 0
    for fault in chosen:
        found = [find(fault, seed) for seed in given.seeds]
        rows.append(_row(fault, found))
        missed += not any(each.kind for each in found)
        console.print(rows[-1], markup=False, highlight=False)
    console.print(f"{len(chosen)} faults put back, {missed} not found")
    if given.publish and sound:  # with the faults that were not found
        _publish(rows, given.seeds)
    return 0 if sound and chosen and not missed else 1


if __name__ == "__main__":
    sys.exit(main())
