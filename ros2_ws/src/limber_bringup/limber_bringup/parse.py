"""Read a launch file into `Element`s: the subset of ROS 2 Jazzy's launch XML that limber uses.

Tags and attributes mean what they mean to `ros2 launch`; one that is not in the table below is an
error there or is not supported here, and is refused with file and line either way.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from hardware.errors import unknown
from limber_bringup.errors import LaunchError
from limber_bringup.model import Element, Place
from limber_bringup.substitutions import SubstitutionError, parse_template

CONDITIONS = ("if", "unless")
_PROCESS = (
    "output",
    "cwd",
    "on_exit",
    "respawn",
    "respawn_delay",
    "respawn_max_retries",
    "sigterm_timeout",
    "sigkill_timeout",
)
ACTIONS = (
    "arg",
    "let",
    "set_env",
    "unset_env",
    "node",
    "executable",
    "include",
    "group",
    "push_ros_namespace",
    "set_parameter",
    "set_remap",
    "timer",
)


@dataclass(frozen=True)
class _Tag:
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    children: tuple[str, ...] = ()


_ROOT = _Tag(optional=("version",), children=ACTIONS)
_TAGS = {
    "arg": _Tag(("name",), ("default", "description"), ("choice",)),
    "let": _Tag(("name", "value")),
    "set_env": _Tag(("name", "value")),
    "unset_env": _Tag(("name",)),
    "node": _Tag(
        ("exec",),
        ("pkg", "name", "namespace", "exec_name", "args", "ros_args", *_PROCESS),
        ("param", "remap", "env"),
    ),
    "executable": _Tag(("cmd",), ("name", *_PROCESS), ("env",)),
    "include": _Tag(("file",), (), ("arg", "let")),
    "group": _Tag((), ("scoped",), ACTIONS),
    "push_ros_namespace": _Tag(("namespace",)),
    "set_parameter": _Tag(("name", "value")),
    "set_remap": _Tag(("from", "to")),
    "timer": _Tag(("period",), (), ACTIONS),
}
_PARTS = {
    "choice": _Tag(("value",)),
    "param": _Tag((), ("name", "value", "type", "from"), ("param",)),
    "remap": _Tag(("from", "to")),
    "env": _Tag(("name", "value")),
}
_PASSED = _Tag(("name", "value"))  # <arg> and <let> inside <include>
_LITERAL = ("description", "version", "type", "on_exit")  # read as they stand, without substitutions


def parse_launch_file(path: Path) -> Element:
    """The root of a launch file; `LaunchError` names file and line of the first mistake."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise LaunchError(f"expected a launch file, {str(path)!r}: {error.strerror}") from None
    root = _read(text, path)
    if root.tag != "launch":
        raise root.place.error(f"expected <launch> as the root, got <{root.tag}>")
    _check(root, _ROOT, None)
    return root


def _read(text: bytes, path: Path) -> Element:
    """XML to elements with expat, which knows the line of every tag."""
    parser = expat.ParserCreate()
    open_tags: list[tuple[str, dict[str, str], list[Element], int]] = [("", {}, [], 0)]

    def start(tag: str, attributes: dict[str, str]) -> None:
        open_tags.append((tag, attributes, [], parser.CurrentLineNumber))

    def end(_tag: str) -> None:
        tag, attributes, children, line = open_tags.pop()
        open_tags[-1][2].append(Element(tag, attributes, tuple(children), Place(path, line)))

    def characters(data: str) -> None:
        if data.strip():
            raise Place(path, parser.CurrentLineNumber).error(
                f"text {data.strip()[:40]!r} stands between tags; values belong in attributes"
            )

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise LaunchError(f"{path}:{error.lineno}: not valid XML: {expat.ErrorString(error.code)}") from None
    return open_tags[0][2][0]


def _check(element: Element, tag: _Tag, parent: str | None) -> None:
    place = element.place
    conditions = () if parent is None or element.tag in _PARTS or tag is _PASSED else CONDITIONS
    valid = (*tag.required, *tag.optional, *conditions)
    for name, value in element.attributes.items():
        if name not in valid:
            raise place.error(unknown(f"attribute of <{element.tag}>", name, valid))
        if name in _LITERAL:
            continue
        try:
            parse_template(value)
        except SubstitutionError as error:
            raise place.error(f"{name}={value!r}: {error}") from None
    for name in tag.required:
        if name not in element.attributes:
            raise place.error(f"<{element.tag}> needs the attribute {name!r}")
    if "if" in element.attributes and "unless" in element.attributes:
        raise place.error(f"<{element.tag}> has both 'if' and 'unless'; expected one")
    for child in element.children:
        if child.tag not in tag.children:
            raise child.place.error(unknown(f"tag in <{element.tag}>", child.tag, tag.children))
        inside = _PASSED if element.tag == "include" else _TAGS.get(child.tag) or _PARTS[child.tag]
        _check(child, inside, element.tag)
