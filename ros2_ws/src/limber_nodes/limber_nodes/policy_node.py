"""A checkpoint in the graph: chunks of actions, keyed by the observation they were computed from."""

import json
import math
from dataclasses import dataclass

from trajectory_msgs.msg import JointTrajectory

from limber_nodes import conversions, diagnostics, qos
from limber_nodes.managed import ManagedNode
from limber_nodes.parameters import Parameters, param
from limber_nodes.policy_inputs import PolicyInputs
from limber_nodes.robots import robot_spec
from limber_nodes.spin import run_node
from policies.checkpoint_folder import check_horizon, check_robot
from policies.contracts import EXECUTION_HORIZON, Array
from policies.errors import PolicyError
from policies.runtime.observations import ObservationBuffer
from policies.runtime.runner import PolicyRunner

NS = conversions.NS


@dataclass(frozen=True)
class PolicySettings:
    """Parameters of policy_node."""

    checkpoint: str = param("", "checkpoint folder, or the folder of a training run")
    robot: str = param("so101", "name of a shipped robot spec, or path to a spec's YAML file")
    cameras: tuple[str, ...] = param((), "cameras of the robot, separated by commas; empty: all; none: none")
    width: int = param(0, "picture width in px; 0: as the spec says", low=0, high=4096)
    height: int = param(0, "picture height in px; 0: as the spec says", low=0, high=4096)
    device: str = param("cpu", "where torch computes: cpu, cuda, cuda:1, ...")
    threads: int = param(
        1, "torch's threads; one leaves the other cores to loop and cameras", low=1, high=256
    )
    execution_horizon: int = param(
        EXECUTION_HORIZON, "steps between two requests; below the chunk's size", low=1, high=100
    )
    num_inference_steps: int = param(0, "steps of the sampler; 0: as the checkpoint says", low=0, high=1000)
    compressed: bool = param(True, "take JPEG pictures; false: raw ones")
    image_wait_ms: float = param(
        15.0, "longest wait for a frame that is due but not here yet", low=0, high=1000
    )


class PolicyNode:
    """Loads and checks the checkpoint in `configure`; asks it, from `activate` on, while the arm is armed."""

    def __init__(self, node: ManagedNode) -> None:
        self.node = node
        self.settings = Parameters(node, PolicySettings).values
        self.spec = robot_spec(self.settings)

    def configure(self) -> None:
        s = self.settings
        if not s.checkpoint:
            raise PolicyError("parameter 'checkpoint': expected a checkpoint folder, got nothing")
        check_robot(s.checkpoint, self.spec)
        import torch  # takes seconds, so after what can fail at once

        from policies.checkpoint import load_policy
        from policies.device import check_device

        check_device(s.device)
        torch.set_num_threads(s.threads)
        policy = load_policy(s.checkpoint, s.device)
        check_horizon(s.execution_horizon, policy.spec.chunk_size)
        cameras = [c for c in self.spec.cameras if c.name in policy.spec.camera_names]
        decode = conversions.compressed_array if s.compressed else conversions.image_array
        buffer = ObservationBuffer(policy.spec.camera_names, decode=decode)
        self.runner = PolicyRunner(
            policy,
            buffer,
            s.execution_horizon,
            self._publish,
            knobs={"num_inference_steps": s.num_inference_steps} if s.num_inference_steps else {},
            frame_period_ns=NS // min((c.fps for c in cameras), default=30),
            wait_s=s.image_wait_ms / 1e3,
        )
        self.runner.warm_up()
        self.chunks = self.node.create_publisher(JointTrajectory, "action_chunk", qos.EVENTS)
        self.inputs = PolicyInputs(self.node, self.spec, buffer, self.runner, s.compressed)

    def activate(self) -> None:
        self.diagnostics = diagnostics.Diagnostics(
            self.node,
            self._diagnose,
            hardware_id=self.spec.name,
            stamp=lambda: conversions.time_msg(self.inputs.newest_ns),
        )
        self.runner.start()

    def deactivate(self) -> None:
        self.runner.stop()
        self.diagnostics.publish()
        self.diagnostics.stop()

    def cleanup(self) -> None:
        if hasattr(self, "inputs"):
            self.inputs.close()
            self.node.destroy_publisher(self.chunks)

    def _publish(self, stamp_ns: int, chunk: Array) -> None:
        names, dt = self.runner.policy.spec.action_names, self.spec.action_dt
        self.chunks.publish(conversions.trajectory(names, stamp_ns, chunk, dt))

    def _diagnose(self) -> diagnostics.Status:
        runner = self.runner
        counters = runner.requester.counters
        values: dict[str, object] = {
            f"{name}_p{q}": samples.percentile(q)
            for name, samples in (
                ("latency_ms", runner.latency),
                ("inference_ms", runner.inference),
                ("delay_steps", runner.delays),
            )
            for q in (50, 99)
        }
        last = runner.requester.last_published_ns
        values |= {
            "chunk_age_ms": math.nan if last is None else (self.inputs.newest_ns - last) / 1e6,
            **vars(counters),
            "discarded": runner.discarded,
            "chunk_size": runner.policy.spec.chunk_size,
            "execution_horizon": self.settings.execution_horizon,
            "num_inference_steps": self.settings.num_inference_steps or "the checkpoint's",
            "device": self.settings.device,
            "threads": self.settings.threads,
            "errors": runner.errors,
        }
        chunks, delays = runner.take_samples()
        values["chunks"] = json.dumps([[c.stamp_ns, c.latency_ms, c.inference_ms] for c in chunks])
        values["delays"] = json.dumps(delays)
        if self.inputs.unchecked:
            return diagnostics.WARN, f"waiting for {', '.join(sorted(self.inputs.unchecked))}", values
        if runner.trouble:
            return diagnostics.WARN, runner.trouble, values
        return diagnostics.OK, "asking" if runner.allowed else "waiting for the arm to be armed", values


def main() -> None:
    run_node(lambda: ManagedNode("policy_node", PolicyNode))


if __name__ == "__main__":
    main()
