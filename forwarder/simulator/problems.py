"""What is wrong with a script of faults, in words for the person who wrote it. Pure."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from forwarder.simulator.faults import Faults, Outage, RandomAnswer, Refusal, UserAnswer

#: What is wrong with a member, by the type of pydantic's error; in braces, the facts that pydantic adds.
_PROBLEMS = {
    "bool_type": "is neither true nor false",
    "dict_type": "is not an object",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
    "finite_number": "is not a finite number",
    "greater_than": "is not more than {gt:g}",
    "greater_than_equal": "is below the minimum of {ge:g}",
    "int_type": "is not an integer",
    "int_from_float": "is not an integer",
    "int_parsing": "is not an integer",
    "int_parsing_size": "has too many digits",
    "less_than_equal": "is above the maximum of {le:g}",
    "literal_error": "is not one of {expected}",
    "model_type": "is not an object",
    "model_attributes_type": "is not an object",
    "string_pattern_mismatch": "has a character that no header may have",
    "string_type": "is not a string",
    "tuple_type": "is not an array",
}
#: Alternatives of one member, which pydantic names as if they were members.
_ALTERNATIVES = frozenset({"int", "str", "constrained-str"})
_LONGEST = 40


def problems(error: ValidationError) -> list[str]:
    """One line for each problem: the member, its value, and what is wrong with it."""
    return list(dict.fromkeys(map(_line, error.errors())))


def _line(problem: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"] if part not in _ALTERNATIVES) or "the script"
    kind, context = problem["type"], problem.get("ctx", {})
    match kind:
        case "json_invalid":
            return f"{where} is not JSON: {context['error']}"
        case "extra_forbidden":
            return f"{where}: there is no such member{_meant(str(problem['loc'][-1]))}"
        case "value_error":
            return f"{where}: {context['error']}"
        case "missing":
            return f"{where} is missing"
    value = repr(problem["input"])
    shown = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    return f"{where}: {shown} {_PROBLEMS.get(kind, 'is not valid').format(**context)}"


def _meant(name: str) -> str:
    members = _members()
    close = [] if name in members else difflib.get_close_matches(name, members, 1)  # right, but not there
    return f"; did you mean {close[0]}?" if close else ""


def _members() -> list[str]:
    parts: tuple[type[BaseModel], ...] = (Faults, Outage, RandomAnswer, Refusal, UserAnswer)
    return [field.alias or name for part in parts for name, field in part.model_fields.items()]
