"""ROS parameters declared from a frozen dataclass: descriptors, ranges, choices, a set callback."""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from hardware.errors import LimberError, unknown

T = TypeVar("T")


class ParameterError(LimberError):
    """A parameter of a wrong type or value; the message says what is valid."""


def param(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = True,
) -> Any:
    """A field of a settings dataclass. `low` and `high` are inclusive; `choices` are for text."""
    metadata = {
        "description": description,
        "low": low,
        "high": high,
        "choices": choices,
        "read_only": read_only,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class _Kind:
    """How a field's value is written as a parameter and read back."""

    name: str
    types: tuple[type, ...]


_KINDS = {
    bool: _Kind("true or false", (bool,)),
    int: _Kind("a whole number", (int,)),
    float: _Kind("a number", (int, float, str)),  # `speed:=10` and `speed:=inf` are meant as numbers
    str: _Kind("text", (str, int, float)),  # a name made of digits is parsed as a number
    tuple: _Kind("names separated by commas", (str,)),
}


class Parameters(Generic[T]):
    """The parameters of one node, declared when made; `values` is the frozen dataclass as of now.

    `on_change` is called with them whenever one was set.

    Text tuples travel as one comma-separated string, so that a launch argument can give them.
    Raises `ParameterError` for a start value of the wrong type, out of range or not a choice.
    """

    def __init__(self, node: Node, settings: type[T]) -> None:
        self._fields: dict[str, Field[Any]] = {f.name: f for f in fields(settings)}  # type: ignore[arg-type]
        given = {name: self._declare(node, f) for name, f in self._fields.items()}
        self.values: T = settings(**given)
        self.on_change: Callable[[T], None] = lambda _values: None
        node.add_on_set_parameters_callback(self._on_set)

    def _declare(self, node: Node, f: "Field[Any]") -> Any:
        if f.default is MISSING:
            raise TypeError(f"{f.name}: a parameter needs a default")
        default = ",".join(f.default) if isinstance(f.default, tuple) else f.default
        try:
            parameter = node.declare_parameter(f.name, default, _descriptor(f))
        except InvalidParameterValueException as error:
            got = str(error).partition("(")[2].partition(")")[0]  # the value is kept in the text only
            raise ParameterError(_out_of_range(f, got)) from None
        except InvalidParameterTypeException as error:
            raise ParameterError(f"parameter {f.name!r}: {error}") from None
        return _convert(f, parameter.value)

    def _on_set(self, changed: list[Parameter]) -> SetParametersResult:
        try:
            known = [p for p in changed if p.name in self._fields]
            new = {p.name: _convert(self._fields[p.name], p.value) for p in known}
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.values = replace(self.values, **new)  # type: ignore[type-var]
        self.on_change(self.values)
        return SetParametersResult(successful=True)


def settings_of(settings: type[T], given: Mapping[str, Any]) -> T:
    """The settings of a node that is given these parameters, without the node.

    What it does not declare is left out, as by rclpy. Raises `ParameterError` as `Parameters` does.
    """
    declared = [f for f in fields(settings) if f.name in given]  # type: ignore[arg-type]
    return settings(**{f.name: _convert(f, _on_the_wire(given[f.name])) for f in declared})


def _on_the_wire(value: Any) -> Any:
    """A whole number beyond 64 bits reaches a node as a float."""
    too_big = type(value) is int and not -(2**63) <= value < 2**63
    return float(str(value)) if too_big else value


def _kind(f: "Field[Any]") -> type:
    return next(kind for kind in _KINDS if isinstance(f.default, kind))


def _descriptor(f: "Field[Any]") -> ParameterDescriptor:
    low, high = f.metadata["low"], f.metadata["high"]
    choices = f.metadata["choices"]
    descriptor = ParameterDescriptor(
        description=f.metadata["description"],
        read_only=f.metadata["read_only"],
        additional_constraints=f"one of: {', '.join(choices)}" if choices else "",
        dynamic_typing=True,  # types are checked by _convert, which knows that 10 can mean 10.0
    )
    if low is None and high is None:
        return descriptor
    low = -math.inf if low is None else low
    high = math.inf if high is None else high
    if _kind(f) is float:
        descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
    else:
        limit = 2**63 - 1
        descriptor.integer_range = [
            IntegerRange(from_value=int(max(low, -limit)), to_value=int(min(high, limit)))
        ]
    return descriptor


def _convert(f: "Field[Any]", value: Any) -> Any:
    kind = _kind(f)
    rule = _KINDS[kind]
    wrong = f"parameter {f.name!r}: expected {rule.name}, got {value!r}"
    if not isinstance(value, rule.types) or (isinstance(value, bool) and kind is not bool):
        raise ParameterError(wrong)
    if kind is tuple:
        return tuple(name.strip() for name in value.split(",") if name.strip())
    try:
        converted = kind(value)
    except ValueError:
        raise ParameterError(wrong) from None
    low, high = f.metadata["low"], f.metadata["high"]
    if (low is not None and not converted >= low) or (high is not None and not converted <= high):
        raise ParameterError(_out_of_range(f, value))
    choices = f.metadata["choices"]
    if choices and converted not in choices:
        raise ParameterError(unknown(f.name, converted, choices))
    return converted


def _out_of_range(f: "Field[Any]", value: Any) -> str:
    low, high = f.metadata["low"], f.metadata["high"]
    bounds = [f"at least {low:g}"] if low is not None else []
    bounds += [f"at most {high:g}"] if high is not None else []
    return f"parameter {f.name!r}: expected {' and '.join(bounds)}, got {value}"
