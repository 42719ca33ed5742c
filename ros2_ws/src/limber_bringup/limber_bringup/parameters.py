"""ROS parameters in launch files: their types, and the files in which nodes get them.

A value without `type` is read as YAML (`3` is an int, `3.0` a double, `[1, 2]` a list), as ROS 2 does.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from hardware.errors import unknown
from limber_bringup.model import Element, Process
from limber_bringup.substitutions import SubstitutionError

_SCALARS = (bool, int, float, str)


def parameter_value(text: str, type_name: str | None) -> Any:
    """One parameter's value; `SubstitutionError` when it does not fit its type or has none."""
    if type_name == "str":
        return text
    if type_name == "float":  # YAML wants a point in 1e-3; a launch argument needs none
        try:
            return float(text)
        except ValueError:
            raise SubstitutionError(f"expected a float, got {text!r}") from None
    if type_name == "bool" and text in ("0", "1"):
        return text == "1"
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise SubstitutionError(f"{text!r} is not a YAML value; a text needs type='str'") from None
    if type_name is None:
        if _allowed(value):
            return value
        raise SubstitutionError(
            f"expected a bool, int, float, str or list of one of them, got {text!r}; a text needs type='str'"
        )
    if type_name not in _TYPES:
        raise SubstitutionError(unknown("parameter type", type_name, (*_TYPES, "str", "float")))
    if not _TYPES[type_name](value):
        raise SubstitutionError(f"expected {type_name}, got {text!r}")
    return list(map(float, value)) if type_name == "list_of_float" else value


def parameter_table(
    elements: tuple[Element, ...], substitute: Callable[[Element, str], str]
) -> dict[str, Any]:
    """`<param name value>` elements, nested ones included, as one table."""
    table: dict[str, Any] = {}
    for element in elements:
        name = substitute(element, "name")
        if element.named("param"):
            if "value" in element.attributes:
                raise element.place.error(f"parameter {name!r} has both a value and nested parameters")
            table[name] = parameter_table(element.named("param"), substitute)
            continue
        if "value" not in element.attributes:
            raise element.place.error(f"parameter {name!r} has neither a value nor nested parameters")
        try:
            table[name] = parameter_value(substitute(element, "value"), element.attributes.get("type"))
        except SubstitutionError as error:
            raise element.place.error(f"parameter {name!r}: {error}") from None
    return table


def full_command(process: Process, folder: Path) -> list[str]:
    """The command with its `--ros-args`; tables of parameters are written to files in `folder`."""
    command = list(process.command)
    if process.ros_arguments is None:
        return command
    command += ["--ros-args", *process.ros_arguments]
    for index, source in enumerate(process.parameters):
        path = source
        if isinstance(source, Mapping):
            path = folder / f"{process.name}_{index}.yaml"
            draft = path.with_suffix(".part")
            draft.write_text(yaml.safe_dump({process.node or "/**": {"ros__parameters": dict(source)}}))
            os.replace(draft, path)
        command += ["--params-file", str(path)]
    return command


def _allowed(value: Any) -> bool:
    if isinstance(value, list):
        kinds = {type(item) for item in value}
        return len(kinds) == 1 and kinds <= set(_SCALARS)
    return isinstance(value, _SCALARS)


def _list_of(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(type(item) in kinds for item in value)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: type(value) is int,
    "bool": lambda value: type(value) is bool,
    "list_of_int": _list_of(int),
    "list_of_float": _list_of(int, float),
    "list_of_bool": _list_of(bool),
    "list_of_str": _list_of(str),
}
