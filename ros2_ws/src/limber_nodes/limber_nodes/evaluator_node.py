"""Runs a policy through unseen episodes in the graph, judges each, and writes the report."""

import json
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from hardware.errors import LimberError
from limber_nodes.evaluation_episodes import EvaluationEpisodes, Terms
from limber_nodes.evaluation_streams import EvaluationStreams
from limber_nodes.parameters import Parameters, param
from limber_nodes.plain import PlainNode
from limber_nodes.robots import robot_spec
from limber_nodes.spin import run_node
from limber_nodes.teleop_session import Plan, SessionClosed
from policies.evaluation.report import EvaluationReport, write_report
from policies.evaluation.report_sources import commit, machine, read_curve
from policies.evaluation.seeds import FINAL_TEST
from policies.paths import report_page

SAMPLES_S = 1.5  # wall time in which the last diagnostics of a policy come: they are published at 1 Hz


@dataclass(frozen=True)
class EvaluatorSettings:
    """Parameters of evaluator_node."""

    episodes: int = param(20, "episodes to run, each with the next seed", low=1, high=10_000)
    first_seed: int = param(FINAL_TEST.start, "seed of the first episode; unseen ones begin at 100000", low=0)
    timeout_s: float = param(12.0, "robot time after which an episode has failed", low=0.1)
    hold_s: float = param(0.5, "how long task_node wants success held; nothing counts before", low=0.0)
    robot: str = param("so101", "name of a shipped robot spec, or path to a spec's YAML file")
    task: str = param("PickPlace", "the task's name, for the report's title")
    cameras: tuple[str, ...] = param((), "cameras to film, separated by commas; empty: all; none: none")
    width: int = param(0, "picture width in px; 0: as the spec says", low=0, high=4096)
    height: int = param(0, "picture height in px; 0: as the spec says", low=0, high=4096)
    checkpoint: str = param("", "what is evaluated, for the report's training curve and conditions")
    report: str = param(
        "runs/evaluation", "folder for report.html and report.json, or the page's own name ending in .html"
    )
    record: bool = param(False, "call the recorder's services around each episode")
    overwrite: bool = param(False, "replace an existing report")
    stages: str = param("", "JSON file of stage name -> seconds, shown in the report")
    successes_shown: int = param(3, "films of successes in the report", low=0, high=100)
    failures_shown: int = param(6, "films of failures in the report", low=0, high=100)
    policy_wait_s: float = param(60.0, "wall time to wait for a policy that is ready", low=0.0)


class EvaluatorNode:
    """Episodes run in a thread of their own; the executor's thread only sorts what arrives."""

    def __init__(self, node: PlainNode) -> None:
        self.node = node
        self.settings = s = Parameters(node, EvaluatorSettings).values
        self.spec = robot_spec(s)
        self.report = report_page(s.report, s.overwrite)
        self.streams = EvaluationStreams(node, self.spec)
        plan = Plan(s.episodes, s.first_seed, s.record, attempts=s.episodes, keep_failures=True)
        terms = Terms(s.timeout_s, s.hold_s, s.successes_shown, s.failures_shown)
        self.episodes = EvaluationEpisodes(node, self.streams, plan, terms, self.spec.action_hz, self._say)
        self.thread = threading.Thread(target=self._run, name="evaluation", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def close(self) -> None:
        self.episodes.close()
        self.thread.join(timeout=5.0)

    # -- the evaluation's thread ----------------------------------------------------------------

    def _run(self) -> None:
        begun = time.monotonic()
        try:
            self.episodes.wait_for_policy(self.settings.policy_wait_s)
            self.episodes.run()
            self.episodes.wait(SAMPLES_S)
            self.streams.close()  # drawing films needs the interpreter that every message would take
            write_report(
                self._make_report(time.monotonic() - begun),
                self.report,
                successes=self.settings.successes_shown,
                failures=self.settings.failures_shown,
            )
            self._say(f"report: {self.report}")
            self.node.finish(0)
        except SessionClosed:
            pass
        except LimberError as error:
            self.node.get_logger().error(str(error))
            self.node.finish(2)
        except Exception as error:  # the process must not wait for a thread that is gone
            self.node.get_logger().fatal(f"evaluation: {type(error).__name__}: {error}")
            self.node.finish(1)

    def _make_report(self, elapsed_s: float) -> EvaluationReport:
        s, policy = self.settings, self.streams.policy
        first, last = s.first_seed, s.first_seed + s.episodes - 1
        run = self.episodes
        pace = run.robot_s / run.wall_s if run.wall_s else math.nan
        conditions = {
            "checkpoint": s.checkpoint or "unknown",
            "seeds": f"{first} to {last}",
            "success": f"held for {s.hold_s:g} s within {s.timeout_s:g} s",
            "through": "ROS 2 topics, asynchronous inference",
            "speed": f"{pace:.3f} robot seconds a second",
        }
        told = ("execution_horizon", "chunk_size", "num_inference_steps", "device", "threads")
        conditions |= {name.replace("_", " "): policy[name] for name in told if name in policy}
        stages: dict[str, float] = {}
        if s.stages:
            try:
                stages = {name: float(t) for name, t in json.loads(Path(s.stages).read_text()).items()}
            except (OSError, ValueError, AttributeError, TypeError) as error:
                self.node.get_logger().warning(f"stages: {s.stages}: {error}")
        return EvaluationReport(
            title=f"{s.task} on {self.spec.name}",
            instruction=self.streams.instruction,
            joint_names=self.spec.joint_names,
            action_dt=self.spec.action_dt,
            time_limit_s=s.timeout_s,
            episodes=tuple(log.result() for log in self.streams.logs),
            conditions=conditions,
            stage_seconds={**stages, "evaluate": elapsed_s},
            curve=read_curve(Path(s.checkpoint)) if s.checkpoint else None,
            machine=machine(),
            commit=commit(),
        )

    def _say(self, line: str) -> None:
        self.node.get_logger().info(line)


def main() -> None:
    run_node(lambda: PlainNode("evaluator_node", EvaluatorNode))


if __name__ == "__main__":
    main()
