"""What launch files may not say: each mistake is named with file and line, and nothing is started."""

import os
import re

import pytest
from limber_bringup.errors import LaunchError
from limber_bringup.resolve import make_plan
from support.launching import write_launch, write_package

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}

MISTAKES = {
    "unknown tag": ("\n<lifecycle_node/>", 3, r"unknown tag in <launch> 'lifecycle_node'.*valid: .*node"),
    "unknown tag in a tag": ('<node exec="true"><parm/></node>', 2, r"'parm' \(did you mean 'param'\?\)"),
    "unknown attribute": (
        '<node\n  exec="true" nmae="x"/>',
        2,
        r"unknown attribute of <node> 'nmae' \(did you mean 'name'\?\)",
    ),
    "a shell": ('<executable cmd="true" shell="true"/>', 2, "unknown attribute of <executable> 'shell'"),
    "missing attribute": ('<let name="x"/>', 2, "<let> needs the attribute 'value'"),
    "not XML": ("<let\n", 4, "not valid XML"),
    "text": ("\n\n<group>hello</group>", 4, "text 'hello' stands between tags"),
    "both conditions": ('<let name="a" value="b" if="1" unless="0"/>', 2, "both 'if' and 'unless'"),
    "condition": ('<let name="a" value="b" if="yes"/>', 2, "expected a condition, got 'yes'; valid: true"),
    "unknown substitution": (
        '<let name="a" value="$(vra b)"/>',
        2,
        r"unknown substitution 'vra' \(did you mean 'var'\?\)",
    ),
    "a Python expression": ('<let name="a" value="$(eval 1+1)"/>', 2, "unknown substitution 'eval'"),
    "a shell command": ('<let name="a" value="$(command ls)"/>', 2, "unknown substitution 'command'"),
    "open substitution": ('<let name="a" value="$(var b"/>', 2, r"\$\(var is not closed"),
    "empty substitution": ('<let name="a" value="$()"/>', 2, r"expected a name after '\$\('"),
    "too many words": ('<let name="a" value="$(not 1 2)"/>', 2, "expected 1 arguments, got 2"),
    "unset variable": (
        '<let name="near" value="1"/>\n<let name="a" value="$(var naer)"/>',
        3,
        r"unknown launch configuration 'naer' \(did you mean 'near'\?\)",
    ),
    "unset environment": ('<let name="a" value="$(env NOT_SET)"/>', 2, "'NOT_SET' is not set"),
    "missing argument": (
        '<arg name="a" default="1"/>\n<arg name="b" description="what it is"/>',
        3,
        r"the launch argument 'b' must be given as b:=<value> \(what it is\)",
    ),
    "not a choice": (
        '<arg name="a" default="green"><choice value="red"/><choice value="blue"/></arg>',
        2,
        "unknown value of launch argument 'a', 'green'.*valid: blue, red",
    ),
    "unknown package": ('<node pkg="shwoer" exec="show"/>', 2, "unknown package 'shwoer'"),
    "unknown executable of a package": (
        '<node pkg="shower" exec="shwo"/>',
        2,
        r"unknown executable of package shower 'shwo' \(did you mean 'show'\?\)",
    ),
    "unknown executable": (
        '<executable cmd="no_such_program_here -x"/>',
        2,
        "'no_such_program_here' is neither",
    ),
    "unknown package share": ('<let name="a" value="$(find-pkg-share nix)"/>', 2, "unknown package 'nix'"),
    "missing include": ('<include file="$(dirname)/none.xml"/>', 2, "none.xml' does not exist"),
    "endless include": ('<include file="$(filename)"/>', 2, "does a file include itself"),
    "bad node name": ('<node exec="true" name="a-b"/>', 2, "expected a node name"),
    "bad namespace": ('<push_ros_namespace namespace="a b"/>', 2, "expected a namespace"),
    "bad time": ('<timer period="soon"/>', 2, "expected seconds, zero or more, got 'soon'"),
    "bad retries": (
        '<executable cmd="true" respawn_max_retries="many"/>',
        2,
        "expected an integer, got 'many'",
    ),
    "bad output": (
        '<executable cmd="true" output="tty"/>',
        2,
        "unknown output 'tty'.*valid: both, log, screen",
    ),
    "bad on_exit": ('<executable cmd="true" on_exit="restart"/>', 2, "valid: shutdown"),
    "bad quoting": ('<executable cmd="echo \'x"/>', 2, "No closing quotation"),
    "empty command": ('<executable cmd=" "/>', 2, "expected a command"),
    "missing folder": ('<executable cmd="true" cwd="/no/such"/>', 2, "working directory '/no/such'"),
    "parameter without value": (
        '<node exec="true">\n<param name="a"/></node>',
        3,
        "neither a value nor nested",
    ),
    "parameter with both": (
        '<node exec="true">\n<param name="a" value="1"><param name="b" value="2"/></param></node>',
        3,
        "both a value and nested",
    ),
    "parameter without name": ('<node exec="true">\n<param value="1"/></node>', 3, "'name' or 'from'"),
    "parameter type": (
        '<node exec="true">\n<param name="a" value="x" type="int"/></node>',
        3,
        "parameter 'a': expected int, got 'x'",
    ),
    "unknown parameter type": (
        '<node exec="true">\n<param name="a" value="x" type="text"/></node>',
        3,
        "unknown parameter type 'text'",
    ),
    "empty parameter": (
        '<node exec="true">\n<param name="a" value=""/></node>',
        3,
        "a text needs type='str'",
    ),
    "parameter file": ('<node exec="true">\n<param from="/no/such.yaml"/></node>', 3, "does not exist"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(tmp_path, name):
    body, line, message = MISTAKES[name]
    prefix = write_package(tmp_path)
    path = write_launch(tmp_path, body)
    with pytest.raises(LaunchError) as caught:
        make_plan(path, {}, {**ENVIRONMENT, "AMENT_PREFIX_PATH": str(prefix)})
    text = str(caught.value)
    assert text.startswith(f"{path}:{line}: "), text
    assert re.search(message, text), text
    assert "\n" not in text


def test_a_mistake_is_found_even_where_a_condition_is_false(tmp_path):
    with pytest.raises(LaunchError, match=":3: unknown attribute"):
        make_plan(write_launch(tmp_path, '<group if="false">\n<node exec="true" wrong="1"/>\n</group>'), {})


def test_another_root_is_refused(tmp_path):
    path = tmp_path / "x.launch.xml"
    path.write_text("<robot/>")
    with pytest.raises(LaunchError, match=":1: expected <launch> as the root, got <robot>"):
        make_plan(path, {})


def test_a_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(LaunchError, match=r"expected a launch file.*none\.xml.*No such file"):
        make_plan(tmp_path / "none.xml", {})


def test_an_unknown_argument_is_refused_and_the_valid_ones_listed(tmp_path):
    path = write_launch(tmp_path, '<arg name="a" default="1"/><arg name="speed" default="1"/>')
    message = r"unknown launch argument 'sped' \(did you mean 'speed'\?\); valid: a, speed"
    with pytest.raises(LaunchError, match=message):
        make_plan(path, {"sped": "2"})


def test_a_mistake_in_an_included_file_names_that_file(tmp_path):
    write_launch(tmp_path, "\n<wrong/>", "inner.launch.xml")
    with pytest.raises(LaunchError, match=r"inner\.launch\.xml:3: unknown tag"):
        make_plan(write_launch(tmp_path, '<include file="$(dirname)/inner.launch.xml"/>'), {})
