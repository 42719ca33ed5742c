r"""`$(var name)` and its like in attribute values, as ROS 2's launch XML reads them.

A value is a template: text and calls `$(name argument ...)`, whose arguments may hold calls and may
be quoted; a backslash keeps the next character as it is (`\$(not a call)`).
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hardware.errors import unknown
from limber_bringup.packages import find_prefix

TRUE, FALSE = ("true", "1"), ("false", "0")
_MANY = 99  # arguments that no launch file reaches


class SubstitutionError(Exception):
    """What is wrong with a template or its value; the caller adds file and line."""


@dataclass(frozen=True)
class Call:
    """One `$(name argument ...)`."""

    name: str
    arguments: tuple["Template", ...]


Template = tuple[str | Call, ...]


@dataclass(frozen=True)
class Values:
    """What substitutions read: launch configurations, the environment and the file they stand in."""

    variables: Mapping[str, str]
    environment: Mapping[str, str]
    file: Path


def parse_template(text: str) -> Template:
    """Split a value into text and calls; `SubstitutionError` says what is malformed or unknown."""
    parts, end = _parts(text, 0, "")
    assert end == len(text)
    return parts


def perform(template: Template, values: Values) -> str:
    """The value of a template."""
    return "".join(part if isinstance(part, str) else _call(part, values) for part in template)


def substitute(text: str, values: Values) -> str:
    return perform(parse_template(text), values)


def condition(text: str) -> bool:
    """true, 1, false or 0, whatever the case; everything else is an error as in ROS 2."""
    word = text.strip().lower()
    if word not in TRUE + FALSE:
        raise SubstitutionError(f"expected a condition, got {text!r}; valid: true, false, 1, 0")
    return word in TRUE


def describe(template: Template) -> str:
    """A default as `ros2 launch --show-args` prints it."""
    return " + ".join(repr(part) if isinstance(part, str) else _described(part) for part in template) or "''"


def _parts(text: str, at: int, stops: str) -> tuple[Template, int]:
    """Text and calls from `at` to the first unquoted character of `stops`, or to the end."""
    parts: list[str | Call] = []
    plain: list[str] = []

    def flush() -> None:
        if plain:
            parts.append("".join(plain))
            plain.clear()

    while at < len(text) and text[at] not in stops:
        if text[at] == "\\" and at + 1 < len(text):
            plain.append(text[at + 1])
            at += 2
        elif text.startswith("$(", at):
            flush()
            call, at = _parse_call(text, at)
            parts.append(call)
        else:
            plain.append(text[at])
            at += 1
    flush()
    return tuple(parts), at


def _parse_call(text: str, at: int) -> tuple[Call, int]:
    head = re.compile(r"\$\(([A-Za-z][A-Za-z0-9_-]*)").match(text, at)
    if head is None:
        raise SubstitutionError("expected a name after '$('")
    name, end = head[1], head.end()
    arguments: list[Template] = []
    while end < len(text) and text[end] == " ":
        end += 1
        if end < len(text) and text[end] in "'\"":
            quote = text[end]
            argument, end = _parts(text, end + 1, quote)
            if end == len(text):
                raise SubstitutionError(f"the quote {quote} is not closed")
            end += 1
        else:
            argument, end = _parts(text, end, " )")
            if not argument:
                raise SubstitutionError(f"$({name}): expected an argument after a space")
        arguments.append(argument)
    if end == len(text) or text[end] != ")":
        raise SubstitutionError(f"$({name} is not closed")
    if name not in _CALLS:
        raise SubstitutionError(unknown("substitution", name, _CALLS))
    fewest, most, _ = _CALLS[name]
    if not fewest <= len(arguments) <= most:
        expected = (
            f"{fewest}" if fewest == most else f"{fewest} or more" if most == _MANY else f"{fewest} or {most}"
        )
        raise SubstitutionError(f"$({name}): expected {expected} arguments, got {len(arguments)}")
    return Call(name, tuple(arguments)), end + 1


def _call(call: Call, values: Values) -> str:
    return _CALLS[call.name][2](values, *(perform(argument, values) for argument in call.arguments))


def _var(values: Values, name: str, default: str | None = None) -> str:
    if name in values.variables:
        return values.variables[name]
    if default is None:
        raise SubstitutionError(unknown("launch configuration", name, values.variables))
    return default


def _env(values: Values, name: str, default: str | None = None) -> str:
    value = values.environment.get(name, default)
    if value is None:
        raise SubstitutionError(f"the environment variable {name!r} is not set and $(env) has no default")
    return value


def _prefix(values: Values, package: str) -> str:
    return str(find_prefix(package, values.environment))


def _share(values: Values, package: str) -> str:
    return str(find_prefix(package, values.environment) / "share" / package)


def _equals(_values: Values, left: str, right: str) -> str:
    if left.lower() in TRUE + FALSE and right.lower() in TRUE + FALSE:
        return _word((left.lower() in TRUE) == (right.lower() in TRUE))
    try:
        return _word(math.isclose(float(left), float(right)))
    except ValueError:
        return _word(left == right)


def _if(_values: Values, word: str, then: str, otherwise: str = "") -> str:
    return then if condition(word) else otherwise


def _word(value: bool) -> str:
    return "true" if value else "false"


def _not(_values: Values, value: str) -> str:
    return _word(not condition(value))


def _all(_values: Values, *words: str) -> str:
    return _word(sum(map(condition, words)) == len(words))  # a wrong word is an error wherever it stands


def _any(_values: Values, *words: str) -> str:
    return _word(sum(map(condition, words)) > 0)


def _described(call: Call) -> str:
    arguments = ", ".join(describe(argument) for argument in call.arguments)
    return {"var": f"LaunchConfig({arguments})", "env": f"EnvVar({arguments})"}.get(
        call.name, f"{call.name}({arguments})"
    )


# name: fewest arguments, most arguments, what it gives
_CALLS: dict[str, tuple[int, int, Callable[..., str]]] = {
    "var": (1, 2, _var),
    "env": (1, 2, _env),
    "find-pkg-prefix": (1, 1, _prefix),
    "find-pkg-share": (1, 1, _share),
    "dirname": (0, 0, lambda values: str(values.file.parent)),
    "filename": (0, 0, lambda values: str(values.file)),
    "equals": (2, 2, _equals),
    "not-equals": (2, 2, lambda values, left, right: _not(values, _equals(values, left, right))),
    "if": (2, 3, _if),
    "not": (1, 1, _not),
    "and": (2, 2, _all),
    "or": (2, 2, _any),
    "all": (1, _MANY, _all),
    "any": (1, _MANY, _any),
}
