"""`<node>` and `<executable>`: from a tag to a program with all its arguments, found on this machine."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from hardware.errors import unknown
from limber_bringup.errors import LaunchError
from limber_bringup.model import Process
from limber_bringup.packages import find_executable
from limber_bringup.parameters import parameter_table
from limber_bringup.scope import Attributes

_NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OUTPUTS = ("screen", "log", "both")


def node_process(node: Attributes, index: int, delay: float) -> Process:
    """A ROS node: name, namespace, parameters and remaps as arguments after `--ros-args`."""
    package, executable = node.optional("pkg"), node.text("exec")
    if package is None:
        program = _find_program(executable, node)
    else:
        try:
            program = str(find_executable(package, executable, node.scope.environment))
        except LaunchError as error:
            raise node.error(str(error)) from None
    name, namespace = node.optional("name"), node.namespace("namespace")
    if name is not None and not _NODE_NAME.fullmatch(name):
        raise node.error(f"expected a node name of letters, digits and _, got {name!r}")
    ros = list(node.words("ros_args"))
    if name is not None:
        ros += ["-r", f"__node:={name}"]
    if namespace is not None:
        ros += ["-r", f"__ns:={namespace}"]
    remaps = [Attributes(remap, node.scope) for remap in node.element.named("remap")]
    for source, target in (*node.scope.remaps, *((r.text("from"), r.text("to")) for r in remaps)):
        ros += ["-r", f"{source}:={target}"]
    process = _process(node, node.optional("exec_name"), (program, *node.words("args")), index, delay)
    return replace(
        process,
        ros_arguments=tuple(ros),
        node=None if name is None else f"{(namespace or '').rstrip('/')}/{name}",
        parameters=_parameters(node),
    )


def executable_process(executable: Attributes, index: int, delay: float) -> Process:
    """Any other program: `cmd` as it stands."""
    words = executable.words("cmd")
    if not words:
        raise executable.error("expected a command in 'cmd', got an empty one")
    command = (_find_program(words[0], executable), *words[1:])
    return _process(executable, executable.optional("name"), command, index, delay)


def _process(
    attributes: Attributes, label: str | None, command: tuple[str, ...], index: int, delay: float
) -> Process:
    element, scope = attributes.element, attributes.scope
    environment = dict(scope.environment)
    for env in (Attributes(child, scope) for child in element.named("env")):
        environment[env.text("name")] = env.text("value")
    output = attributes.optional("output") or "log"
    if output not in _OUTPUTS:
        raise attributes.error(unknown("output", output, _OUTPUTS))
    on_exit = element.attributes.get("on_exit")
    if on_exit not in (None, "shutdown"):
        raise attributes.error(unknown("value of on_exit", str(on_exit), ["shutdown"]))
    return Process(
        name=f"{label or Path(command[0]).name}-{index}",
        command=command,
        environment=environment,
        place=element.place,
        cwd=_folder(attributes),
        output=output,
        shutdown_on_exit=on_exit == "shutdown",
        respawn=attributes.flag("respawn", False),
        respawn_delay=attributes.seconds("respawn_delay", 0.0),
        respawn_max_retries=attributes.integer("respawn_max_retries", -1),
        sigterm_timeout=attributes.seconds("sigterm_timeout", 5.0),
        sigkill_timeout=attributes.seconds("sigkill_timeout", 5.0),
        delay=delay,
    )


def _parameters(node: Attributes) -> tuple[Path | dict[str, Any], ...]:
    """Those set for the whole scope, then the node's own, in the order in which they stand."""
    scope = node.scope
    sources: list[Path | dict[str, Any]] = [dict(scope.parameters)] if scope.parameters else []
    for element in node.element.named("param"):
        param = Attributes(element, scope)
        if "from" not in element.attributes:
            if "name" not in element.attributes:
                raise param.error("<param> needs the attribute 'name' or 'from'")
            table = parameter_table((element,), lambda e, name: Attributes(e, scope).text(name))
            if sources and isinstance(sources[-1], dict):
                sources[-1].update(table)
            else:
                sources.append(table)
            continue
        path = Path(param.text("from"))
        if set(element.attributes) != {"from"} or element.children:
            raise param.error("<param from> takes no name, value or nested parameters")
        if not path.is_file():
            raise param.error(f"the parameter file {str(path)!r} does not exist")
        sources.append(path)
    return tuple(sources)


def _find_program(word: str, attributes: Attributes) -> str:
    program = shutil.which(word, path=attributes.scope.environment.get("PATH"))
    if program is None:
        raise attributes.error(f"the executable {word!r} is neither on the path nor a program file")
    return program


def _folder(attributes: Attributes) -> Path | None:
    cwd = attributes.optional("cwd")
    if cwd is not None and not Path(cwd).is_dir():
        raise attributes.error(f"the working directory {cwd!r} does not exist")
    return None if cwd is None else Path(cwd)
