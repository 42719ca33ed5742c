"""What launch files mean: each rule read from a small file."""

import os

import pytest
from limber_bringup.arguments import format_arguments
from limber_bringup.parameters import full_command
from limber_bringup.resolve import make_plan
from support.launching import write_launch, write_package

ENVIRONMENT = {"PATH": os.environ["PATH"], "COLOUR": "blue", "HOME": "/nowhere"}


def plan(path, body, /, **arguments):
    return make_plan(write_launch(path, body), arguments, ENVIRONMENT)


def commands(path, body, /, **arguments):
    return [" ".join(p.command[1:]) for p in plan(path, body, **arguments).processes]


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("$(var a)-$(var b)", "one-two words"),
        ("$(var none fallback)", "fallback"),
        ("$(var $(var c))", "one"),
        (r"\$(var a) $5", "$(var a) $5"),
        ("$(env COLOUR)", "blue"),
        ("$(env NOT_SET grey)", "grey"),
        ("$(env NOT_SET '')", ""),
        ("$(env NOT_SET 'a b')", "a b"),
        ("$(equals $(var a) one)", "true"),
        ("$(equals 1.0 1)", "true"),
        ("$(equals True 1)", "true"),
        ("$(not-equals $(var a) 'two words')", "true"),
        ("$(not $(equals '' $(var empty)))", "false"),
        ("$(if $(equals $(var a) one) 'x y' z)", "x y"),
        ("$(if 0 x)", ""),
        ("$(and true 0)", "false"),
        ("$(or true 0)", "true"),
        ("$(any 0 0 1)", "true"),
        ("$(all 1 1 0)", "false"),
    ],
)
def test_substitutions(tmp_path, template, value):
    body = f"""
    <let name="a" value="one"/><let name="b" value="two words"/>
    <let name="c" value="a"/><let name="empty" value=""/>
    <let name="result" value="{template}"/>
    <executable cmd="echo $(var result)"/>"""
    (process,) = plan(tmp_path, body).processes
    assert process.command[1:] == (value,)


def test_a_substituted_value_is_one_word_whatever_is_in_it(tmp_path):
    body = '<executable cmd="echo --text $(var text) &quot;a b&quot; pre$(var text)post"/>'
    (process,) = plan(tmp_path, f'<arg name="text"/>{body}', text="it's $(var x); rm").processes
    text = "it's $(var x); rm"
    assert process.command[1:] == ("--text", text, "a b", f"pre{text}post")


def test_arguments_have_defaults_made_of_other_arguments(tmp_path):
    body = """
    <arg name="robot" default="so101"/>
    <arg name="folder" default="runs/$(var robot)"/>
    <executable cmd="echo $(var folder)"/>"""
    assert commands(tmp_path, body) == ["runs/so101"]
    assert commands(tmp_path, body, robot="other") == ["runs/other"]
    assert commands(tmp_path, body, folder="here") == ["here"]


def test_conditions_choose_actions(tmp_path):
    body = """
    <arg name="on" default="true"/>
    <executable cmd="echo if" if="$(var on)"/>
    <executable cmd="echo unless" unless="$(var on)"/>
    <group if="$(not $(var on))"><executable cmd="echo group"/></group>"""
    assert commands(tmp_path, body) == ["if"]
    assert commands(tmp_path, body, on="False") == ["unless", "group"]


def test_a_scoped_group_forgets_and_an_unscoped_one_does_not(tmp_path):
    body = """
    <let name="x" value="1"/><set_env name="E" value="1"/>
    <group><let name="x" value="2"/><set_env name="E" value="2"/><unset_env name="COLOUR"/></group>
    <executable cmd="echo $(var x) $(env E) $(env COLOUR)"/>
    <group scoped="false"><let name="x" value="3"/></group>
    <executable cmd="echo $(var x)"/>"""
    assert commands(tmp_path, body) == ["1 1 blue", "3"]


def test_the_environment_of_one_process_is_its_own(tmp_path):
    body = """
    <set_env name="ALL" value="yes"/>
    <executable cmd="echo"><env name="ONE" value="only"/></executable>
    <executable cmd="echo"/>"""
    first, second = plan(tmp_path, body).processes
    assert (first.environment["ALL"], first.environment["ONE"]) == ("yes", "only")
    assert second.environment["ALL"] == "yes"
    assert "ONE" not in second.environment


def test_includes_pass_arguments_and_know_their_own_folder(tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    write_launch(
        inner,
        """<arg name="who" default="nobody"/><arg name="level" default="1"/>
        <executable cmd="echo $(var who) $(var level) $(dirname)"/>""",
    )
    body = """
    <arg name="who" default="me"/>
    <include file="$(dirname)/inner/test.launch.xml"><arg name="level" value="7"/></include>
    <executable cmd="echo $(dirname)"/>"""
    assert commands(tmp_path, body) == [f"me 7 {inner}", str(tmp_path)]
    assert commands(tmp_path, body, who="you")[0] == f"you 7 {inner}"


def test_a_node_gets_its_ros_arguments(tmp_path):
    prefix = write_package(tmp_path)
    body = """
    <push_ros_namespace namespace="left"/>
    <set_remap from="c" to="d"/>
    <node pkg="shower" exec="show" name="arm" namespace="lab"
          args="--own $(env COLOUR)" ros_args="--log-level debug">
      <remap from="a" to="/b"/>
    </node>
    <node pkg="shower" exec="show" namespace="/absolute" exec_name="shown"/>"""
    path = write_launch(tmp_path, body)
    first, second = make_plan(path, {}, {**ENVIRONMENT, "AMENT_PREFIX_PATH": str(prefix)}).processes
    program = str(prefix / "lib" / "shower" / "show")
    ros = "--log-level debug -r __node:=arm -r __ns:=/left/lab -r c:=d -r a:=/b"
    assert full_command(first, tmp_path) == [program, "--own", "blue", "--ros-args", *ros.split()]
    assert full_command(second, tmp_path) == [program, "--ros-args", "-r", "__ns:=/absolute", "-r", "c:=d"]
    assert (first.name, second.name) == ("show-1", "shown-2")


@pytest.mark.parametrize(
    ("pushed", "namespace"),
    [("/", "/"), ("", "/"), ("a", "/a"), ("/a/", "/a"), ("a/b", "/a/b")],
)
def test_namespaces(tmp_path, pushed, namespace):
    body = f'<push_ros_namespace namespace="{pushed}"/><node exec="true" name="n"/>'
    (process,) = plan(tmp_path, body).processes
    assert f"__ns:={namespace}" in process.ros_arguments
    assert process.node == f"{namespace.rstrip('/')}/n"


def test_parameters_have_the_types_that_ros_gives_them(tmp_path):
    write = '<param name="{}" value="{}"{}/>'
    rows = [
        ("a", "3", "", 3),
        ("b", "3.0", "", 3.0),
        ("c", "true", "", True),
        ("d", "text", "", "text"),
        ("e", "[1, 2]", "", [1, 2]),
        ("f", "3", ' type="float"', 3.0),
        ("g", "1e-3", ' type="float"', 1e-3),
        ("h", "3", ' type="str"', "3"),
        ("i", "", ' type="str"', ""),
        ("j", "'3'", "", "3"),
        ("k", "[1, 2]", ' type="list_of_float"', [1.0, 2.0]),
        ("l", "$(env COLOUR)", "", "blue"),
        ("m", "inf", ' type="float"', float("inf")),
        ("n", "1", ' type="bool"', True),
    ]
    params = "".join(write.format(name, value, kind) for name, value, kind, _ in rows)
    nested = '<param name="outer"><param name="inner" value="1"/></param>'
    (process,) = plan(tmp_path, f'<node exec="true">{params}{nested}</node>').processes
    (table,) = process.parameters
    for name, _, _, expected in rows:
        assert table[name] == expected
        assert type(table[name]) is type(expected)
    assert table["outer"] == {"inner": 1}


def test_parameters_of_scope_file_and_node_keep_their_order(tmp_path):
    file = tmp_path / "given.yaml"
    file.write_text("/**: {ros__parameters: {x: 2}}")
    body = f"""
    <set_parameter name="x" value="1"/>
    <node exec="true"><param name="y" value="5"/><param from="{file}"/><param name="x" value="3"/></node>"""
    (process,) = plan(tmp_path, body).processes
    assert process.parameters == ({"x": 1, "y": 5}, file, {"x": 3})


def test_timers_add_up(tmp_path):
    body = """<timer period="1.5"><executable cmd="echo late"/>
    <timer period="0.5"><executable cmd="echo later"/></timer></timer><executable cmd="echo now"/>"""
    assert [p.delay for p in plan(tmp_path, body).processes] == [1.5, 2.0, 0.0]


def test_show_args_reads_as_ros2_launch_writes_it(tmp_path):
    write_launch(
        tmp_path,
        """<arg name="deep" default="$(var a)/x" description="of the included file"/>
        <arg name="given" default="1"/>""",
        "inner.launch.xml",
    )
    body = """
    <arg name="a" default="1" description="the first"/>
    <arg name="b"/>
    <arg name="c" default="red" description="a colour"><choice value="red"/><choice value="blue"/></arg>
    <include file="$(dirname)/inner.launch.xml"><arg name="given" value="2"/></include>
    <group if="$(var a)"><arg name="d" default="$(env HOME)"/></group>"""
    expected = """Arguments (pass arguments as '<name>:=<value>'):

    'a':
        the first
        (default: '1')

    'b':
        no description given

    'c':
        a colour. Valid choices are: ['red', 'blue']
        (default: 'red')

    'deep':
        of the included file
        (default: LaunchConfig('a') + '/x')

    'd':*
        no description given
        (default: EnvVar('HOME'))

* argument(s) which are only used if specific conditions occur"""
    assert format_arguments(plan(tmp_path, body, b="x").arguments) == expected


def test_show_args_of_a_file_without_any(tmp_path):
    assert format_arguments(plan(tmp_path, "").arguments).endswith("No arguments.")
