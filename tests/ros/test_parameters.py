"""Parameters from a frozen dataclass: types, ranges, choices, and the set callback."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import rclpy
from limber_nodes.parameters import ParameterError, Parameters, param
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter


@dataclass(frozen=True)
class Settings:
    speed: float = param(1.0, "how fast", low=0.01)
    count: int = param(3, "how many", low=1, high=5, read_only=False)
    cameras: tuple[str, ...] = param((), "which cameras")
    color: str = param("red", "which color", choices=("red", "green"), read_only=False)
    name: str = param("x", "what it is called")
    loud: bool = param(False, "whether to shout")


Make = Callable[..., tuple[Parameters[Settings], Node]]


@pytest.fixture
def make() -> Iterator[Make]:
    """A node with the given start values, and its parameters."""
    context = Context()
    rclpy.init(context=context)
    nodes: list[Node] = []

    def node(**given: object) -> tuple[Parameters[Settings], Node]:
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        nodes.append(Node("n", context=context, parameter_overrides=overrides))
        return Parameters(nodes[-1], Settings), nodes[-1]

    yield node
    for made in nodes:
        made.destroy_node()
    rclpy.shutdown(context=context)


def test_defaults_and_what_a_launch_argument_can_say(make: Make) -> None:
    assert make()[0].values == Settings()
    given, _ = make(speed=10, cameras="front, wrist", name=2024)
    assert given.values == Settings(speed=10.0, cameras=("front", "wrist"), name="2024")
    assert make(speed="inf")[0].values.speed == math.inf


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"speed": "fast"}, "parameter 'speed': expected a number, got 'fast'"),
        ({"speed": 0}, "parameter 'speed': expected at least 0.01, got 0"),
        ({"speed": 0.0}, "parameter 'speed': expected at least 0.01, got 0.0"),
        ({"speed": "nan"}, "parameter 'speed': expected at least 0.01, got nan"),
        ({"count": 7}, "parameter 'count': expected at least 1 and at most 5, got 7"),
        ({"count": 2.5}, "parameter 'count': expected a whole number, got 2.5"),
        ({"count": True}, "parameter 'count': expected a whole number, got True"),
        ({"color": "gren"}, "unknown color 'gren' (did you mean 'green'?); valid: green, red"),
        ({"loud": 1}, "parameter 'loud': expected true or false, got 1"),
        ({"cameras": 3}, "parameter 'cameras': expected names separated by commas, got 3"),
    ],
)
def test_a_start_value_that_cannot_be_right_is_one_line(
    make: Make, given: dict[str, object], said: str
) -> None:
    with pytest.raises(ParameterError) as error:
        make(**given)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


def test_changes_are_checked_before_they_are_taken(make: Make) -> None:
    parameters, node = make()

    def change(name: str, value: object) -> tuple[bool, str]:
        result = node.set_parameters([Parameter(name, value=value)])[0]
        return result.successful, result.reason

    assert change("count", 4) == (True, "")
    assert parameters.values.count == 4
    for name, value, reason in (
        ("count", 9, "range"),
        ("count", "many", "whole number"),
        ("color", "blue", "valid: green, red"),
        ("speed", 2.0, "read-only"),
    ):
        done, why = change(name, value)
        assert not done
        assert reason in why
    assert parameters.values == Settings(count=4)
