"""What is wrong with a command line, in words: the option, the value, what to write instead.

Everything else that libraries say about it is replaced: typer quotes pydantic, whose sentences are for programmers.
"""

import re
from collections.abc import Mapping
from typing import Any

import typer

from forwarder.config.wording import wrong

#: A valid value of each number that has no default which shows one.
EXAMPLES = {
    "--allow-refusals": "100",
    "--canary": "10",
    "--every": "5",
    "--limit": "20",
    "--rate": "50",
    "--seed": "7",
    "N": "4",
}

#: What typer says of options and commands, and what we say.
_SENTENCES = {
    r"^No such option: (\S+).*": r"\1 is not an option",
    r"^Option '(\S+)' requires .*": r"\1 needs a value",
    r"^Option '(\S+)' does not take a value": r"\1 takes no value",
    r"^Got unexpected extra arguments?(?:\(s\))? \((.*)\)": r"unexpected: \1",
    r"^Missing command": "no command is given",
}
_NO_BRACES = str.maketrans("", "", "{}")


def explained(error: typer.TyperException) -> str:
    """The problem in one line, with what to do about it."""
    context: Any = getattr(error, "ctx", None)
    if (parameter := getattr(error, "param", None)) is not None:
        return _of_a_parameter(parameter, error, context)
    if isinstance(error, typer.BadParameter):
        return error.message  # ours
    said = error.format_message().rstrip(".")
    for theirs, ours in _SENTENCES.items():
        said = re.sub(theirs, ours, said)
    close = " or ".join(sorted(getattr(error, "possibilities", None) or ()))
    meant = f"; did you mean {close}" if close else ""
    return said + meant + ("" if context is None else f"; see `{context.command_path} --help`")


def _of_a_parameter(parameter: Any, error: typer.TyperException, context: Any) -> str:
    name = called(parameter)
    problems: Any = getattr(error.__cause__, "errors", None)  # pydantic's, whose import --help does not need
    if problems is not None:
        return f"{name}: {_wrong(problems()[0])}; example: {example(parameter)}"
    if error.message:  # ours, as of a duration
        return f"{name}: {error.message}"
    usage = " ".join(context.get_usage().translate(_NO_BRACES).split()).removeprefix("Usage: ")
    return f"{name} is missing; usage: {usage}"


def _wrong(problem: Mapping[str, Any]) -> str:
    # typer says this of a choice, in a sentence of its own that quotes the value.
    return str(problem["ctx"]["error"]).rstrip(".") if problem["type"] == "value_error" else wrong(problem)


def called(parameter: Any) -> str:
    """An option as it is written, or the name that help has for an argument."""
    return str(parameter.opts[0] if parameter.param_type_name == "option" else parameter.display_name_raw)


def example(parameter: Any) -> str:
    """A valid value of an option or argument."""
    name = called(parameter)
    if name in EXAMPLES:
        return EXAMPLES[name]
    choices = parameter.type_descriptor.choices
    return str(getattr(choices[0], "value", choices[0]) if choices else parameter.default)
