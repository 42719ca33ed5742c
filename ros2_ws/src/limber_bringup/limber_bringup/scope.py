"""What earlier tags of a launch file set for later ones, and how a tag's attributes are read in it."""

import re
import shlex
from dataclasses import dataclass, field, replace
from typing import Any

from limber_bringup.errors import LaunchError
from limber_bringup.model import Element
from limber_bringup.substitutions import (
    SubstitutionError,
    Values,
    condition,
    parse_template,
    perform,
    substitute,
)

_NAMESPACE = re.compile(r"/|(/[A-Za-z_][A-Za-z0-9_]*)+")


@dataclass
class Scope:
    """Launch configurations, environment, namespace, parameters and remaps; a scoped group copies it."""

    variables: dict[str, str]
    environment: dict[str, str]
    namespace: str | None = None
    parameters: tuple[tuple[str, Any], ...] = field(default=())
    remaps: tuple[tuple[str, str], ...] = field(default=())

    def copy(self) -> "Scope":
        return replace(self, variables=dict(self.variables), environment=dict(self.environment))


@dataclass(frozen=True)
class Attributes:
    """The attributes of one element, substituted in a scope; errors name file and line."""

    element: Element
    scope: Scope

    def text(self, name: str) -> str:
        """An attribute that the parser has made sure of."""
        raw = self.element.attributes[name]
        try:
            return substitute(raw, self._values())
        except (SubstitutionError, LaunchError) as error:
            raise self.error(f"{name}={raw!r}: {error}") from None

    def optional(self, name: str) -> str | None:
        return self.text(name) if name in self.element.attributes else None

    def flag(self, name: str, default: bool) -> bool:
        value = self.optional(name)
        if value is None:
            return default
        try:
            return condition(value)
        except SubstitutionError as error:
            raise self.error(f"{name}: {error}") from None

    def seconds(self, name: str, default: float) -> float:
        value = self.optional(name)
        try:
            number = default if value is None else float(value)
        except ValueError:
            number = -1.0
        if not 0.0 <= number < float("inf"):
            raise self.error(f"{name}: expected seconds, zero or more, got {value!r}")
        return number

    def integer(self, name: str, default: int) -> int:
        value = self.optional(name)
        try:
            return default if value is None else int(value)
        except ValueError:
            raise self.error(f"{name}: expected an integer, got {value!r}") from None

    def words(self, name: str) -> tuple[str, ...]:
        """A command line split as a shell would, except that a substituted value is never split."""
        if name not in self.element.attributes:
            return ()
        raw = self.element.attributes[name]
        calls: list[str] = []
        line = ""
        try:
            for part in parse_template(raw):
                if isinstance(part, str):
                    line += part
                else:
                    line += f"\ue000{len(calls)}\ue001"
                    calls.append(perform((part,), self._values()))
            words = shlex.split(line)
        except (SubstitutionError, LaunchError, ValueError) as error:
            raise self.error(f"{name}={raw!r}: {error}") from None
        filled = (re.sub("\ue000(\\d+)\ue001", lambda m: calls[int(m[1])], word) for word in words)
        return tuple(filled)

    def wanted(self) -> bool:
        """What the element's `if` or `unless` says."""
        return self.flag("if", True) and not self.flag("unless", False)

    def namespace(self, name: str) -> str | None:
        """The scope's namespace with this attribute's joined to it; an absolute one replaces it."""
        pushed = self.optional(name)
        if pushed is None:
            return self.scope.namespace
        base = "" if pushed.startswith("/") else (self.scope.namespace or "").rstrip("/")
        joined = f"{base}/{pushed.strip('/')}"
        joined = joined.rstrip("/") or "/"
        if not _NAMESPACE.fullmatch(joined):
            raise self.error(f"{name}: expected a namespace of letters, digits, _ and /, got {pushed!r}")
        return joined

    def error(self, message: str) -> LaunchError:
        return self.element.place.error(message)

    def _values(self) -> Values:
        return Values(self.scope.variables, self.scope.environment, self.element.place.file.absolute())
