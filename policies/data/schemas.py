"""Message definitions for a log's own header, so that it can be read without ROS.

`ros2msg` schemas are the text of a `.msg` file followed by every type that it uses, each
after a line of 80 `=` and one `MSG: package/Type` (mcap.dev, "ros2msg").
"""

import os
import re
import sys
from functools import cache
from pathlib import Path

from policies.errors import PolicyError

SEPARATOR = "=" * 80
PRIMITIVES = {"bool", "byte", "char", "string", "wstring", "float32", "float64"} | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
FIELD = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_/]*)(<=\d+)?(\[[^\]]*\])?\s+[A-Za-z]")


@cache
def message_definition(type_name: str) -> str:
    """The complete definition of `sensor_msgs/msg/JointState`, its dependencies included.

    Read from `share/PACKAGE/msg` of every prefix in AMENT_PREFIX_PATH and of this Python;
    `PolicyError` names the type and the places when it is in none of them.
    """
    package, name = _split(type_name, "")
    parts: dict[str, str] = {}
    waiting = [(package, name)]
    while waiting:
        package, name = waiting.pop(0)
        key = f"{package}/{name}"
        if key in parts:
            continue
        parts[key] = _message_text(package, name)
        waiting += [_split(used, package) for used in _types_used(parts[key])]
    first, *others = parts.items()
    return "\n".join([first[1], *(f"{SEPARATOR}\nMSG: {key}\n{text}" for key, text in others)])


def _split(type_name: str, package: str) -> tuple[str, str]:
    words = type_name.split("/")
    return (words[0] if len(words) > 1 else package), words[-1]


def _types_used(text: str) -> list[str]:
    used = []
    for line in text.splitlines():
        field = FIELD.match(line.split("#")[0])
        if field and field[1] not in PRIMITIVES:
            used.append("std_msgs/Header" if field[1] == "Header" else field[1])
    return used


def _message_text(package: str, name: str) -> str:
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    folders = [Path(p) / "share" / package / "msg" for p in (*prefixes, sys.prefix)]
    for folder in folders:
        path = folder / f"{name}.msg"
        if path.is_file():
            return path.read_text()
    raise PolicyError(
        f"expected the definition of {package}/msg/{name} in "
        f"{' or '.join(str(f) for f in dict.fromkeys(folders))}, found none"
    )
