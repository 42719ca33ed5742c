"""The teleoperator in the graph: a scripted expert or a person at a keyboard, and their sessions."""

import math
import threading
from dataclasses import dataclass

from hardware.errors import LimberError
from hardware.spec import load_spec
from limber_nodes import diagnostics
from limber_nodes.managed import ManagedNode
from limber_nodes.operators import OPERATORS, make_operator
from limber_nodes.parameters import Parameters, param
from limber_nodes.spin import run_node
from limber_nodes.teleop_answers import StepAnswers
from limber_nodes.teleop_drive import Drive, Outcome
from limber_nodes.teleop_keys import SessionKeys
from limber_nodes.teleop_session import Plan, Session, SessionClosed


@dataclass(frozen=True)
class TeleopSettings:
    """Parameters of teleop_node."""

    operator: str = param("expert", "who drives", choices=tuple(OPERATORS))
    robot: str = param("so101", "name of a shipped robot spec, or path to a spec's YAML file")
    task: str = param("PickPlace", "task that the scripted expert knows")
    episodes: int = param(0, "episodes to save before the process ends; 0: until the operator quits", low=0)
    seconds: float = param(0.0, "wall time after which no more episodes are begun; 0: no bound", low=0.0)
    at_least: int = param(1, "episodes to save even when the time is up", low=1)
    first_seed: int = param(0, "task seed of the first episode; each next one adds one", low=0)
    record: bool = param(True, "call the recorder's services around each episode")
    timeout_s: float = param(12.0, "robot time after which an episode has failed", low=0.1)


class TeleopNode:
    """An operator, its session of episodes, and its answers to the robot's steps."""

    def __init__(self, node: ManagedNode) -> None:
        self.node = node
        self.settings = Parameters(node, TeleopSettings).values
        self.spec = load_spec(self.settings.robot)
        self.operator = make_operator(self.settings.operator, self.settings.task, self.spec)

    def configure(self) -> None:
        node = self.node
        self.drive = Drive(self.operator, math.inf if self.operator.is_person else self.settings.timeout_s)
        self.answers = StepAnswers(node, self.spec, self.drive)
        plan = Plan(
            episodes=self.settings.episodes,
            first_seed=self.settings.first_seed,
            record=self.settings.record,
            attempts=2 * self.settings.episodes + 10 if self.settings.episodes else 0,
            at_least=self.settings.at_least,
            seconds=self.settings.seconds or float("inf"),
        )
        self.keys = SessionKeys(self.operator, self.drive, self._say)
        self.session = Session(
            node, plan, self.drive.episode, self._say, self.keys.wait_for_start, self._on_recorder_fault
        )

    def activate(self) -> None:
        self.diagnostics = diagnostics.Diagnostics(self.node, self._diagnose)
        self.thread = threading.Thread(target=self._run_session, name="session", daemon=True)
        self.thread.start()

    def deactivate(self) -> None:
        """Silence is release: the arm holds 100 ms after the last command."""
        self.session.close()
        self.keys.close()
        self.drive.close()
        self.thread.join(timeout=1.0)
        self.diagnostics.stop()

    def cleanup(self) -> None:
        self.answers.close()
        self.keys.close()

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

    def _say(self, line: str) -> None:
        print(line, flush=True)

    def _diagnose(self) -> diagnostics.Status:
        values = {
            "operator": self.settings.operator,
            "driving": self.drive.driving,
            "steps": self.drive.steps,
            "saved": self.session.saved,
            "discarded": self.session.discarded,
        }
        return diagnostics.OK, "driving" if self.drive.driving else "waiting", values


def main() -> None:
    run_node(lambda: ManagedNode("teleop_node", TeleopNode))


if __name__ == "__main__":
    main()
