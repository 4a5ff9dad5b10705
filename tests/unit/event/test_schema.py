"""The JSON Schema that producers get says the same as the decoder, of the vectors and of each date."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from forwarder.errors import InvalidElementError
from forwarder.event import decode
from tests.support.documents import ROOT

FOLDER = ROOT / "deploy" / "producers"
SCHEMA = json.loads((FOLDER / "event.schema.json").read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = json.loads((FOLDER / "vectors.json").read_text(encoding="utf-8"))["elements"]
VALIDATOR = Draft202012Validator(SCHEMA)


def is_decoded(element: str) -> bool:
    try:
        decode(element.encode(), max_bytes=65_536)
    except InvalidElementError:
        return False
    return True


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["element"])
def test_the_schema_and_the_decoder_agree_about_a_vector(vector: dict[str, Any]) -> None:
    assert is_decoded(vector["element"]) == vector["valid"]
    assert VALIDATOR.is_valid(json.loads(vector["element"])) == vector["valid"]


@pytest.mark.parametrize("members", [998, 999])
def test_they_agree_about_the_number_of_members(members: int) -> None:
    event = {"user_id": "u", "name": "n", **{f"m{number}": 1 for number in range(members)}}
    assert is_decoded(json.dumps(event)) == VALIDATOR.is_valid(event) == (members == 998)


@given(
    st.from_regex(
        r"[0-2]\d{3}-[01]\d-[0-3]\d([T ][0-2]\d:[0-6]\d(:[0-6]\d(\.\d{1,3})?)?(Z|[+-]\d\d:?\d\d)?)?", fullmatch=True
    )
    | st.from_regex(r"(0\d|1\d|2[014])00-02-29", fullmatch=True)
)
def test_they_agree_about_dates(date: str) -> None:
    event = {"user_id": "u", "name": "n", "date": date}
    assert is_decoded(json.dumps(event)) == VALIDATOR.is_valid(event)


def test_the_member_rules_are_those_of_the_reference() -> None:
    assert set(SCHEMA["required"]) == {"user_id", "name"}
    assert set(SCHEMA["properties"]) == {"user_id", "name", "date", "vars"}
