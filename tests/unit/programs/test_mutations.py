"""The catalogue of mutations fits the code it breaks."""

import shutil
from pathlib import Path

import pytest

from tests.programs.mutations.catalogue import CATALOGUE, Mutation

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("mutation", CATALOGUE, ids=lambda mutation: mutation.what)
def test_what_a_mutation_replaces_stands_in_the_code_exactly_once(mutation: Mutation, tmp_path: Path) -> None:
    (tmp_path / mutation.file).parent.mkdir(parents=True)
    shutil.copy(ROOT / mutation.file, tmp_path / mutation.file)
    mutation.edit.apply(tmp_path)
    assert (tmp_path / mutation.file).read_text() != (ROOT / mutation.file).read_text()
    assert all((ROOT / test.split("::")[0]).exists() for test in mutation.tests)


def test_every_promise_is_broken_by_one() -> None:
    assert {mutation.promise for mutation in CATALOGUE} == set(range(1, 8))
