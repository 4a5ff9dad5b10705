"""What is wrong with a value, in words, and what a valid one looks like."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from forwarder.config.settings import LEAST_TOKEN, PREFIX, Settings

#: Messages show a wrong value only if it is shorter than a token: a longer one may be a secret in the wrong variable.
_SHOWN = LEAST_TOKEN - 1
#: Messages never show these values: each is a secret, or a URL that may contain one.
_HIDDEN = frozenset({"api_key", "api_url", "api_proxy", "redis_url", "admin_token"})
#: What is wrong with a value, by the type of pydantic's error; in braces, the facts that pydantic adds.
_PROBLEMS = {
    "bool_parsing": "is neither true nor false",
    "byte_size": "is not a number of bytes",
    "byte_size_unit": "is not a number of bytes",
    "finite_number": "is not a finite number",
    "float_parsing": "is not a number",
    "greater_than": "is not more than {gt:g}",
    "greater_than_equal": "is below the minimum of {ge:g}",
    "int_parsing": "is not an integer",
    "int_parsing_size": "has too many digits",
    "less_than_equal": "is above the maximum of {le:g}",
    "literal_error": "is not one of {expected}",
}
#: Some limits are compared first, and pydantic then says that one of these is too small.
_ENDLESS = frozenset({"nan", "inf", "infinity"})


def problem(name: str, error: Mapping[str, Any]) -> str:
    """The value unless it is hidden, what is wrong with it, and an example of a valid value."""
    what = _what(error) if name in _HIDDEN else wrong(error)
    return f"{what}; example: {example(name)}"


def wrong(error: Mapping[str, Any]) -> str:
    """The value, if it is short, and what is wrong with it."""
    given = str(error["input"])
    shown = repr(given) if len(given) <= _SHOWN else f"the value ({len(given)} characters, not shown)"
    return f"{shown} {_what(error)}"


def _what(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, in our words: pydantic's are for programmers."""
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    kind = "finite_number" if str(error["input"]).strip(" +-").lower() in _ENDLESS else error["type"]
    return _PROBLEMS.get(kind, "is not valid").format(**context)


def example(name: str) -> str:
    """A valid value of a setting, for messages."""
    examples = Settings.model_fields[name].examples
    return examples[0] if examples else _default(name)


def _default(name: str) -> str:
    """The default of a setting as a person would write it; empty if there is none."""
    default = Settings.model_fields[name].default
    match default:
        case None:
            return ""
        case SecretStr():
            return default.get_secret_value()
        case bool():
            return str(default).lower()
    return str(default)


def documented() -> list[tuple[str, str, str]]:
    """(environment variable, default, description) of every setting, for tables."""
    return [
        (PREFIX + name.upper(), _default(name), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
