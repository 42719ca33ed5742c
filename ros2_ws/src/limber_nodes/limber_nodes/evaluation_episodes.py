"""The episodes of an evaluation: each is begun by a session, judged by stamps and kept as a log."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node
from std_msgs.msg import String

from hardware.control.clock import NS
from hardware.errors import HardwareError, LimberError
from limber_nodes import qos
from limber_nodes.evaluation_streams import EvaluationStreams
from limber_nodes.teleop_session import Outcome, Plan, Session, SessionClosed
from policies.evaluation.episode_log import EpisodeLog

POLL_S = 0.005
SILENT_S = 5.0  # wall time without joint states after which an episode is a fault


@dataclass(frozen=True)
class Terms:
    """What counts as a success, and how many films of each outcome are kept."""

    timeout_s: float
    hold_s: float
    successes_shown: int
    failures_shown: int

    def shown(self, verdict: str) -> int:
        return self.successes_shown if verdict == "success" else self.failures_shown


class EvaluationEpisodes:
    """Runs in a thread of its own; `streams` are filled by the executor's."""

    def __init__(
        self,
        node: Node,
        streams: EvaluationStreams,
        plan: Plan,
        terms: Terms,
        action_hz: int,
        say: Callable[[str], None],
    ) -> None:
        self.streams, self.plan, self.terms = streams, plan, terms
        self._step_ns = NS // action_hz
        self._say = say
        self._session = Session(node, plan, self._episode, lambda line: None)
        self._verdicts = node.create_publisher(String, "evaluation/verdict", qos.VERDICTS)
        self._closed = threading.Event()
        self.robot_s = self.wall_s = 0.0

    def close(self) -> None:
        """End whatever `run` waits for: it raises `SessionClosed`."""
        self._closed.set()
        self._session.close()

    def wait(self, duration_s: float) -> None:
        if self._closed.wait(duration_s):
            raise SessionClosed

    def run(self) -> None:
        """Every seed gets a verdict: what the graph's failure kept from running is a fault too."""
        logs, plan = self.streams.logs, self.plan
        try:
            self._session.run()
            self._session.call("stop")
        except LimberError as error:
            if not logs:
                raise
            for seed in range(plan.first_seed + len(logs), plan.first_seed + plan.episodes):
                log = EpisodeLog(seed, self.streams.newest_ns, self._step_ns, keep_frames=False)
                log.end(log.begin_ns, "fault", str(error))
                logs.append(log)

    def wait_for_policy(self, wait_s: float) -> None:
        """Until policy_node's diagnostics say that it is ready; `LimberError` where none is in time."""
        deadline = time.monotonic() + wait_s
        while not self.streams.policy_ready:
            if time.monotonic() > deadline:
                raise LimberError(
                    f"expected a policy_node that is ready within {wait_s:g} s, "
                    + ("it is not" if self.streams.policy else "nobody answers")
                )
            self.wait(POLL_S)

    def _episode(self, seed: int, reset_ns: int) -> Outcome:
        """From the arm being armed, after the reset at `reset_ns`, to a verdict."""
        streams = self.streams
        begun = time.monotonic()
        # Simulated time stands at the next tick between two ticks: both may have the same stamp.
        while streams.mode_ns < reset_ns or streams.mode != "armed":
            if time.monotonic() - begun > SILENT_S:
                raise HardwareError(f"the robot did not say within {SILENT_S:g} s that it is armed")
            self.wait(POLL_S)
        log = EpisodeLog(seed, streams.mode_ns, self._step_ns)
        streams.logs.append(log)
        begun, begun_ns = time.monotonic(), streams.newest_ns
        verdict, reason, end_ns = self._judge(log.begin_ns)
        log.end(end_ns, verdict, reason)
        if verdict == "timeout" and not log.chunks:
            log.reason = "no chunk came"
        self.robot_s += (streams.newest_ns - begun_ns) / NS
        self.wall_s += time.monotonic() - begun
        same = [other for other in streams.logs if (other.verdict == "success") == (verdict == "success")]
        if len(same) > self.terms.shown(verdict):
            log.drop_trace()
        self._announce(log)
        return Outcome.SUCCESS if verdict == "success" else Outcome.FAILURE

    def _judge(self, begin_ns: int) -> tuple[str, str, int]:
        """Verdict, reason and robot time of the end, by stamps: however late this thread looks."""
        streams, terms = self.streams, self.terms
        limit_ns = begin_ns + int(terms.timeout_s * NS)
        streams.listen_from_ns = begin_ns + int(terms.hold_s * NS)  # no sooner can success have been held
        streams.success_ns = None
        while True:
            success_ns = streams.success_ns
            if success_ns is not None and success_ns <= limit_ns:
                return "success", "", success_ns
            if streams.mode != "armed" and streams.mode_ns <= limit_ns:
                return "fault", f"the robot is {streams.mode}", streams.mode_ns
            if streams.newest_ns > limit_ns:
                return "timeout", "", limit_ns
            if time.monotonic() - streams.newest_wall > SILENT_S:
                return "fault", f"no joint states for {SILENT_S:g} s", streams.newest_ns
            self.wait(POLL_S)

    def _announce(self, log: EpisodeLog) -> None:
        logs = self.streams.logs
        seconds = ((log.end_ns or 0) - log.begin_ns) / NS
        successes = sum(other.verdict == "success" for other in logs)
        verdict = {
            "index": len(logs),
            "episodes": self.plan.episodes,
            "seed": log.seed,
            "verdict": log.verdict,
            "seconds": round(seconds, 2),
            "reason": log.reason,
        }
        self._verdicts.publish(String(data=json.dumps(verdict)))
        reason = f" ({log.reason})" if log.reason else ""
        self._say(
            f"episode {len(logs)}/{self.plan.episodes} seed {log.seed}: {log.verdict}{reason} "
            f"after {seconds:.1f} s; {successes} of {len(logs)}"
        )
