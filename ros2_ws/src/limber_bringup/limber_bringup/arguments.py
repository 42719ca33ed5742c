"""The arguments that a launch file takes, those of the files it includes among them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from limber_bringup.errors import LaunchError
from limber_bringup.model import Argument, Element
from limber_bringup.parse import parse_launch_file
from limber_bringup.scope import Attributes, Scope
from limber_bringup.substitutions import describe, parse_template


def list_arguments(root: Element, environment: Mapping[str, str]) -> tuple[Argument, ...]:
    """Every argument once, in the order in which they stand; includes are followed where their path
    needs no argument that has no default."""
    found: dict[str, Argument] = {}
    _collect(root, Scope({}, dict(environment)), found, False, (root.place.file.resolve(),))
    return tuple(found.values())


def format_arguments(arguments: Iterable[Argument]) -> str:
    """The text of `ros2 launch --show-args`."""
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    conditional = False
    for argument in arguments:
        lines += ["", f"    '{argument.name}':{'*' if argument.conditional else ''}"]
        lines.append(f"        {argument.description}")
        if argument.default is not None:
            lines.append(f"        (default: {describe(parse_template(argument.default))})")
        conditional |= argument.conditional
    if len(lines) == 1:
        lines += ["", "  No arguments."]
    if conditional:
        lines += ["", "* argument(s) which are only used if specific conditions occur"]
    return "\n".join(lines)


def _collect(
    parent: Element, scope: Scope, found: dict[str, Argument], conditional: bool, files: tuple[Path, ...]
) -> None:
    for element in parent.children:
        maybe = conditional or "if" in element.attributes or "unless" in element.attributes
        if element.tag == "arg":
            argument = _argument(element, maybe)
            found.setdefault(argument.name, argument)
            _keep_default(Attributes(element, scope), "default")
        elif element.tag == "let":
            _keep_default(Attributes(element, scope), "value")
        elif element.tag == "include":
            path = _path(Attributes(element, scope))
            if path is not None and path.resolve() not in files:
                inner: dict[str, Argument] = {}
                _collect(parse_launch_file(path), scope, inner, maybe, (*files, path.resolve()))
                passed = {child.attributes["name"] for child in element.children}
                for name, argument in inner.items():
                    if name not in passed:
                        found.setdefault(name, argument)
        elif element.tag in ("group", "timer"):
            _collect(element, scope, found, maybe, files)


def _argument(element: Element, conditional: bool) -> Argument:
    choices = tuple(choice.attributes["value"] for choice in element.named("choice"))
    description = element.attributes.get("description")
    if description is None:
        description = f"One of: {list(choices)}" if choices else "no description given"
    elif choices:
        description = f"{description.rstrip('.')}. Valid choices are: {list(choices)}"
    name, default = element.attributes["name"], element.attributes.get("default")
    return Argument(name, default, description, choices, conditional, element.place)


def _keep_default(tag: Attributes, attribute: str) -> None:
    """So that an include's path may be made of arguments; what cannot be known yet stays unset."""
    if attribute in tag.element.attributes:
        try:
            tag.scope.variables.setdefault(tag.element.attributes["name"], tag.text(attribute))
        except LaunchError:
            return


def _path(tag: Attributes) -> Path | None:
    try:
        path = Path(tag.text("file"))
    except LaunchError:
        return None
    return path if path.is_file() else None
