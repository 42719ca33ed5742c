"""A lifecycle node around any object with four verbs; by default it takes itself to active."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from hardware.errors import LimberError
from limber_nodes.parameters import Parameters, param
from limber_nodes.spin import Finish

OK, FAILED = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class Part(Protocol):
    """What a managed node does. Any verb may raise `LimberError`; the transition then fails."""

    def configure(self) -> None:
        """Open ports, make publishers and services; nothing moves, nothing is published."""

    def activate(self) -> None:
        """Begin to publish. Active never means torque: an arm moves only after `arm`."""

    def deactivate(self) -> None:
        """Safe stop; stop publishing."""

    def cleanup(self) -> None:
        """Close what `configure` opened."""


@dataclass(frozen=True)
class _Autostart:
    autostart: bool = param(True, "go to the active state without being asked")


class ManagedNode(LifecycleNode):
    """Runs a `Part` through the lifecycle.

    Leaving active, by `deactivate` or by shutdown, always goes through the part's safe stop.
    `failure` keeps the last error of a transition; `finish` ends the process from within.
    """

    def __init__(self, name: str, make_part: Callable[["ManagedNode"], Part]) -> None:
        super().__init__(name)
        self.finish = Finish()
        self.failure: Exception | None = None
        self._active = self._configured = False
        try:
            self._autostart = Parameters(self, _Autostart)
            self.part = make_part(self)
        except BaseException:
            self.destroy_node()  # one that is left to the interpreter's end can hang it
            raise

    def start(self) -> None:
        """Take the node to active if `autostart` is set; raises what stood in the way."""
        if not self._autostart.values.autostart:
            return
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() is not OK and self.failure is not None:
                raise self.failure

    def close(self) -> None:
        """Shut down through the safe stop, whatever the state."""
        if self._state_machine.current_state[1] in ("unconfigured", "inactive", "active"):
            self.trigger_shutdown()

    def destroy_node(self) -> None:
        """rclpy's own leaves the state machine, and with it a DDS participant that crashes the exit."""
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._attempt(self.part.configure)
        self._configured = result is OK
        if result is not OK:
            self._attempt(self.part.cleanup, keep_failure=True)
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._attempt(self.part.activate)
        self._active = result is OK
        return super().on_activate(state) if result is OK else result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._active = False
        result = self._attempt(self.part.deactivate)
        super().on_deactivate(state)
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._configured = False
        return self._attempt(self.part.cleanup)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        if self._active:
            self.on_deactivate(state)
        return self.on_cleanup(state) if self._configured else OK

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self.on_shutdown(state)

    def _attempt(self, verb: Callable[[], None], keep_failure: bool = False) -> TransitionCallbackReturn:
        """rclpy swallows what a transition raises; here it is kept and said."""
        try:
            verb()
        except Exception as error:  # any failure must fail the transition, not the process
            if not keep_failure:
                self.failure = error
                if not isinstance(error, LimberError):
                    self.get_logger().error(f"{verb.__name__}: {type(error).__name__}: {error}")
            return FAILED
        return OK
