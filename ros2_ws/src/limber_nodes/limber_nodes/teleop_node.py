"""The teleoperator in the graph: a scripted expert, or a person with a device, and their sessions."""

import math
import threading
from contextlib import ExitStack

from hardware.control.priority import ask_for_realtime
from hardware.errors import HardwareError, LimberError
from hardware.spec import load_spec
from limber_nodes import diagnostics
from limber_nodes.live_picture import LivePicture
from limber_nodes.live_picture_sinks import make_sink
from limber_nodes.managed import ManagedNode
from limber_nodes.operators import make_operator
from limber_nodes.parameters import Parameters
from limber_nodes.spin import run_node
from limber_nodes.teleop_answers import StepAnswers
from limber_nodes.teleop_drive import Drive, Outcome
from limber_nodes.teleop_guest import Guest
from limber_nodes.teleop_keys import SessionKeys
from limber_nodes.teleop_samples import DeviceSamples
from limber_nodes.teleop_session import Session, SessionClosed
from limber_nodes.teleop_settings import TeleopSettings, devices_of, plan_of
from limber_nodes.teleop_text import TaskText
from limber_nodes.teleop_verbs import Verbs


class TeleopNode:
    """An operator, its session of episodes, and what it commands."""

    def __init__(self, node: ManagedNode) -> None:
        self.node = node
        self.settings = s = Parameters(node, TeleopSettings).values
        self.spec = load_spec(s.robot)
        self.operator = make_operator(s.operator, s.task, self.spec, devices_of(s))
        if not (s.session or self.operator.is_person):
            raise HardwareError(f"session:=false needs a person to take over, operator is {s.operator!r}")
        self._open = ExitStack()

    def configure(self) -> None:
        node, s, device = self.node, self.settings, self.operator.device
        if device:
            device.connect()
            self._open.callback(device.close)
            self._say(device.help)
        timeout_s = math.inf if self.operator.is_person else s.timeout_s
        self.drive = Drive(self.operator, timeout_s, judged=s.session)
        self.verbs, self.text = Verbs(node, self._say), TaskText(node, self._say)
        self._open.callback(self.verbs.close)
        self.keys = SessionKeys(
            self.operator, self.drive, self._say, self.verbs.ask, self.text.set, s.session
        )
        self._open.callback(self.keys.close)
        self.samples: DeviceSamples | None = None
        if device:
            self._require_keys()
            self.samples = DeviceSamples(node, self.spec, self.drive, device, self.keys.on_key)
            self._open.callback(self.samples.close)
            self._show_cameras()
        in_steps = self.samples.simulated if self.samples else lambda: True
        self.answers = StepAnswers(node, self.spec, self.drive, in_steps)
        self._open.callback(self.answers.close)
        self.session: Session | Guest
        if s.session:
            self.session = Session(
                node, plan_of(s), self._drive, self._say, self.keys.wait_for_start, self._on_recorder_fault
            )
        else:
            self.drive.silent = self.keys.heard and not s.take_over
            self.session = Guest(self.drive, self.verbs, self._say, lambda: not self.keys.quit)

    def activate(self) -> None:
        if self.samples:
            ask_for_realtime()  # but for what was started in `configure`: a picture may be late, and a viewer
        self.diagnostics = diagnostics.Diagnostics(self.node, self._diagnose)
        self.thread = threading.Thread(target=self._run_session, name="session", daemon=True)
        self.thread.start()
        if self.samples:
            self.samples.start()

    def deactivate(self) -> None:
        """Silence is release: the arm holds 100 ms after the last command."""
        self.session.close()
        self.keys.close()
        self.drive.close()
        if self.samples:
            self.samples.stop()
        self.thread.join(timeout=1.0)
        self.diagnostics.stop()

    def cleanup(self) -> None:
        self._open.close()

    def _require_keys(self) -> None:
        """Episodes are started and saved by somebody."""
        if self.settings.session and not self.keys.heard:
            raise HardwareError(
                f"operator {self.settings.operator!r}: expected a terminal for the keys that start and save "
                "episodes; start teleop_node in one of its own, or give session:=false"
            )

    def _show_cameras(self) -> None:
        sink = make_sink(self.settings.live_picture, self.settings.live_folder)
        if sink and self.spec.cameras:
            picture = LivePicture(self.node, self.spec.camera_names, sink, self._say)
            self._open.callback(picture.close)

    def _on_recorder_fault(self) -> None:
        """Nobody drives on for nothing; the session hears the reason when it asks to discard."""
        self.drive.end(Outcome.DISCARD)

    # -- the session's thread -------------------------------------------------------------------

    def _run_session(self) -> None:
        try:
            done = self.session.run()
        except SessionClosed:
            return
        except LimberError as error:
            self.node.get_logger().error(str(error))
            self.node.finish(2)
            return
        except Exception as error:  # the process must not wait for a thread that is gone
            self.node.get_logger().fatal(f"session: {type(error).__name__}: {error}")
            self.node.finish(1)
            return
        quit_by_key = self.keys.quit or self.drive.outcome is Outcome.QUIT
        if not done and not quit_by_key:
            self._say("too many attempts failed")
        self.node.finish(0 if done or quit_by_key else 1)

    def _drive(self, seed: int, reset_stamp_ns: int) -> Outcome:
        self.drive.take_over()  # who starts an episode drives it
        return self.drive.episode(seed, reset_stamp_ns)

    def _say(self, line: str) -> None:
        print(line, flush=True)

    def _diagnose(self) -> diagnostics.Status:
        values = {
            "operator": self.settings.operator,
            "driving": self.drive.driving and not self.drive.silent,
            "steps": self.drive.steps,
            "saved": self.session.saved,
            "discarded": self.session.discarded,
        }
        trouble = self.samples.trouble if self.samples else ""
        if trouble:
            return diagnostics.WARN, trouble, values
        return diagnostics.OK, "driving" if values["driving"] else "waiting", values


def main() -> None:
    run_node(lambda: ManagedNode("teleop_node", TeleopNode))


if __name__ == "__main__":
    main()
