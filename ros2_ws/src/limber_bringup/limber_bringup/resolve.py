"""Work out what a launch file would start, before anything is started.

This XML has no events but timers, so every argument, condition, include and command can be resolved
beforehand: what is wrong is an error while nothing runs yet.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from hardware.errors import unknown
from limber_bringup.arguments import list_arguments
from limber_bringup.errors import LaunchError
from limber_bringup.model import Element, Plan, Process
from limber_bringup.parameters import parameter_value
from limber_bringup.parse import parse_launch_file
from limber_bringup.programs import executable_process, node_process
from limber_bringup.scope import Attributes, Scope
from limber_bringup.substitutions import SubstitutionError

MAX_INCLUDES = 16  # one within another; how a file that includes itself is found out


def make_plan(file: Path, given: Mapping[str, str], environment: Mapping[str, str] | None = None) -> Plan:
    """What `file` starts with the arguments `given`; `LaunchError` names file and line."""
    root = parse_launch_file(file)
    scope = Scope(dict(given), dict(os.environ if environment is None else environment))
    arguments = list_arguments(root, scope.environment)
    names = [argument.name for argument in arguments]
    for name in given:
        if name not in names:
            raise LaunchError(f"{file}: {unknown('launch argument', name, names)}")
    processes: list[Process] = []
    _visit(root, scope, processes, delay=0.0, depth=0)
    return Plan(file, arguments, tuple(processes))


def _visit(parent: Element, scope: Scope, processes: list[Process], delay: float, depth: int) -> None:
    for element in parent.children:
        tag = Attributes(element, scope)
        if not tag.wanted():
            continue
        match element.tag:
            case "arg":
                _set_argument(tag)
            case "let":
                scope.variables[tag.text("name")] = tag.text("value")
            case "set_env":
                scope.environment[tag.text("name")] = tag.text("value")
            case "unset_env":
                scope.environment.pop(tag.text("name"), None)
            case "push_ros_namespace":
                scope.namespace = tag.namespace("namespace")
            case "set_parameter":
                scope.parameters = (*scope.parameters, _parameter(tag))
            case "set_remap":
                scope.remaps = (*scope.remaps, (tag.text("from"), tag.text("to")))
            case "group":
                inside = scope.copy() if tag.flag("scoped", True) else scope
                _visit(element, inside, processes, delay, depth)
            case "timer":
                _visit(element, scope.copy(), processes, delay + tag.seconds("period", 0.0), depth)
            case "include":
                _visit(_included(tag, depth), scope, processes, delay, depth + 1)
            case "node":
                processes.append(node_process(tag, len(processes) + 1, delay))
            case "executable":
                processes.append(executable_process(tag, len(processes) + 1, delay))


def _set_argument(tag: Attributes) -> None:
    """A value given beforehand or the default, which must be one of the choices if there are any."""
    attributes, variables = tag.element.attributes, tag.scope.variables
    name = attributes["name"]
    if name not in variables:
        if "default" not in attributes:
            about = f" ({attributes['description']})" if "description" in attributes else ""
            raise tag.error(f"the launch argument {name!r} must be given as {name}:=<value>{about}")
        variables[name] = tag.text("default")
    choices = [choice.attributes["value"] for choice in tag.element.named("choice")]
    if choices and variables[name] not in choices:
        raise tag.error(unknown(f"value of launch argument {name!r},", variables[name], choices))


def _parameter(tag: Attributes) -> tuple[str, object]:
    try:
        return tag.text("name"), parameter_value(tag.text("value"), None)
    except SubstitutionError as error:
        raise tag.error(str(error)) from None


def _included(tag: Attributes, depth: int) -> Element:
    """The root of an included file. As in ROS 2, what is passed to it stays set after it."""
    if depth == MAX_INCLUDES:
        raise tag.error(f"includes are nested more than {MAX_INCLUDES} deep; does a file include itself?")
    for passed in (*tag.element.named("arg"), *tag.element.named("let")):
        attributes = Attributes(passed, tag.scope)
        tag.scope.variables[attributes.text("name")] = attributes.text("value")
    path = Path(tag.text("file"))
    if not path.is_file():
        raise tag.error(f"the included launch file {str(path)!r} does not exist")
    return parse_launch_file(path)
