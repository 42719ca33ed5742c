"""YAML read with the line of every value, so that an error can say where the mistake stands."""

import math
import re
from typing import Any

import yaml

from hardware.errors import SpecError, unknown

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MISSING: Any = object()


class Located:
    """A YAML mapping whose every value knows its line; the accessors check type and range."""

    def __init__(self, values: dict[str, Any], lines: dict[str, int], line: int, file: str) -> None:
        self._values = values
        self._lines = lines
        self._line = line
        self._file = file

    def error(self, key: str, message: str) -> SpecError:
        return SpecError(f"{self._file}:{self._lines.get(key, self._line)}: {message}")

    def over(self, base: "Located") -> "Located":
        """What `base` says, but where this mapping says something else. Lines are this one's file's."""
        lines = dict.fromkeys(base._values, self._line) | self._lines
        return Located(base._values | self._values, lines, self._line, self._file)

    def given(self, **values: Any) -> "Located":
        """A mapping of these, as if it stood here."""
        return Located(values, dict.fromkeys(values, self._line), self._line, self._file)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._values)

    def only(self, *valid: str) -> None:
        for key in self._values:
            if key not in valid:
                raise self.error(key, unknown("key", key, valid))

    def _get(self, key: str, default: Any) -> Any:
        if key in self._values:
            return self._values[key]
        if default is _MISSING:
            raise self.error(key, f"missing key {key!r}")
        return default

    def text(self, key: str, default: str = _MISSING) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self.error(key, f"{key}: expected text, got {value!r}")
        return value

    def name(self, key: str) -> str:
        """Text that can be part of a topic and of a URDF."""
        value = self.text(key)
        if not NAME.fullmatch(value):
            raise self.error(key, f"{key}: expected a letter, then letters, digits or _, got {value!r}")
        return value

    def number(self, key: str, default: float = _MISSING) -> float:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise self.error(key, f"{key}: expected a number, got {value!r}")
        return float(value)

    def positive(self, key: str) -> float:
        value = self.number(key)
        if not 0 < value < float("inf"):
            raise self.error(key, f"{key}: expected a finite number above 0, got {value:g}")
        return value

    def not_negative(self, key: str, default: float = _MISSING) -> float:
        value = self.number(key, default)
        if not 0 <= value < float("inf"):
            raise self.error(key, f"{key}: expected a finite number of at least 0, got {value:g}")
        return value

    def positive_int(self, key: str, default: int = _MISSING) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.error(key, f"{key}: expected a whole number above 0, got {value!r}")
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"{key}: expected true or false, got {value!r}")
        return value

    def interval(self, key: str) -> tuple[float, float]:
        value = self._get(key, _MISSING)
        if (
            not isinstance(value, list)
            or len(value) != 2
            or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
        ):
            raise self.error(key, f"{key}: expected [lower, upper], got {value!r}")
        lower, upper = float(value[0]), float(value[1])
        if not (math.isfinite(lower) and math.isfinite(upper)):
            raise self.error(key, f"{key}: expected finite limits, got [{lower:g}, {upper:g}]")
        if not lower < upper:
            raise self.error(key, f"{key}: limits are reversed or equal: [{lower:g}, {upper:g}]")
        return lower, upper

    def has(self, key: str) -> bool:
        return key in self._values

    def mapping(self, key: str) -> "Located":
        value = self._get(key, _MISSING)
        if not isinstance(value, Located):
            raise self.error(key, f"{key}: expected a mapping, got {value!r}")
        return value

    def items(self, key: str, optional: bool = False) -> list["Located"]:
        value = self._get(key, [] if optional else _MISSING)
        if not isinstance(value, list) or not all(isinstance(v, Located) for v in value):
            raise self.error(key, f"{key}: expected a list of mappings")
        return value


def load_located(text: str, file: str) -> Located:
    """Parse a YAML document whose root is a mapping; raises `yaml.YAMLError` or `SpecError`."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise SpecError(f"{file}:1: expected a mapping at the top")
    located = _convert(node, file)
    assert isinstance(located, Located)
    return located


def _convert(node: yaml.Node, file: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in values:
                raise SpecError(f"{file}:{line}: key {key!r} is given twice")
            values[key], lines[key] = _convert(value_node, file), line
        return Located(values, lines, node.start_mark.line + 1, file)
    if isinstance(node, yaml.SequenceNode):
        return [_convert(child, file) for child in node.value]
    return yaml.SafeLoader("").construct_object(node, deep=True)
