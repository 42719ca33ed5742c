"""A checkpoint in the graph: chunks of actions, keyed by the observation they were computed from."""

import json
import math
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from limber_nodes import conversions, diagnostics, qos
from limber_nodes.managed import ManagedNode
from limber_nodes.parameters import Parameters, param
from limber_nodes.robots import robot_spec
from limber_nodes.spin import run_node
from policies.contracts import Array
from policies.errors import PolicyError
from policies.runtime.observations import ObservationBuffer
from policies.runtime.requester import Plan
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
        8, "steps between two requests; in lock-step 8 did better than 4 and 12", low=1, high=100
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
        import torch  # takes seconds, so after what can fail at once

        from policies.checkpoint import check_robot, load_policy

        check_robot(s.checkpoint, self.spec)
        torch.set_num_threads(s.threads)
        policy = load_policy(s.checkpoint, s.device)
        horizon, size = s.execution_horizon, policy.spec.chunk_size
        if not horizon < size:
            raise PolicyError(f"execution_horizon: expected less than chunk_size {size}, got {horizon}")
        cameras = [c for c in self.spec.cameras if c.name in policy.spec.camera_names]
        decode = conversions.compressed_array if s.compressed else conversions.image_array
        self.buffer = ObservationBuffer(policy.spec.camera_names, decode=decode)
        self.runner = PolicyRunner(
            policy,
            self.buffer,
            horizon,
            self._publish,
            knobs={"num_inference_steps": s.num_inference_steps} if s.num_inference_steps else {},
            frame_period_ns=NS // min((c.fps for c in cameras), default=30),
            wait_s=s.image_wait_ms / 1e3,
        )
        self.runner.warm_up()
        self.unchecked = {"joint_states", *policy.spec.camera_names}  # of the live robot
        self.newest_ns = 0
        self.chunks = self.node.create_publisher(JointTrajectory, "action_chunk", qos.EVENTS)
        self.subscriptions = [
            self.node.create_subscription(JointState, "joint_states", self._on_state, qos.SENSOR_IN),
            self.node.create_subscription(JointTrajectory, "planned_action", self._on_plan, qos.EVENTS),
            self.node.create_subscription(String, "control_source", self._on_source, qos.LATCHED),
            self.node.create_subscription(String, "task/instruction", self._on_instruction, qos.LATCHED),
        ]
        kind, suffix = (CompressedImage, "/compressed") if s.compressed else (Image, "")
        for camera in policy.spec.cameras:
            topic = f"{camera.name}/image_raw{suffix}"
            take = self._picture_taker(camera.name, (camera.height, camera.width))
            self.subscriptions.append(self.node.create_subscription(kind, topic, take, qos.SENSOR_IN))

    def activate(self) -> None:
        self.diagnostics = diagnostics.Diagnostics(
            self.node,
            self._diagnose,
            hardware_id=self.spec.name,
            stamp=lambda: conversions.time_msg(self.newest_ns),
        )
        self.runner.start()

    def deactivate(self) -> None:
        self.runner.stop()
        self.diagnostics.publish()
        self.diagnostics.stop()

    def cleanup(self) -> None:
        for subscription in getattr(self, "subscriptions", []):
            self.node.destroy_subscription(subscription)
        if hasattr(self, "chunks"):
            self.node.destroy_publisher(self.chunks)

    # -- from the robot -------------------------------------------------------------------------

    def _on_state(self, message: JointState) -> None:
        names = self.spec.joint_names
        if "joint_states" in self.unchecked:
            if sorted(message.name) != sorted(names):
                got = " ".join(message.name)
                raise PolicyError(f"checkpoint is for joints [{' '.join(names)}], the robot sends [{got}]")
            self.unchecked.discard("joint_states")
        self.newest_ns = conversions.stamp_ns(message.header.stamp)
        position = conversions.joint_arrays(message)[0]
        self.buffer.add_state(self.newest_ns, position[conversions.in_order(message.name, names)])

    def _picture_taker(self, camera: str, size: tuple[int, int]) -> Any:
        def take(message: Any) -> None:
            if camera in self.unchecked:
                got = self.buffer.decode(message).shape[:2]
                if got != size:
                    raise PolicyError(
                        f"checkpoint is for camera {camera!r} at {size[1]}x{size[0]}, "
                        f"the robot sends {got[1]}x{got[0]}"
                    )
                self.unchecked.discard(camera)
            self.buffer.add_image(camera, conversions.stamp_ns(message.header.stamp), message)

        return take

    def _on_plan(self, message: JointTrajectory) -> None:
        if self.unchecked:
            return
        points = conversions.trajectory_array(message)
        if len(points):
            points = points[:, conversions.in_order(message.joint_names, self.spec.joint_names)]
        self.runner.on_plan(Plan(conversions.stamp_ns(message.header.stamp), points))

    def _on_source(self, message: String) -> None:
        control = json.loads(message.data)
        may_act = control["mode"] == "armed" and control["source"] != "person"
        self.runner.on_control(control["epoch"], may_act, control["stamp_ns"])

    def _on_instruction(self, message: String) -> None:
        self.runner.task = message.data

    # -- to the robot ---------------------------------------------------------------------------

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
            "chunk_age_ms": math.nan if last is None else (self.newest_ns - last) / 1e6,
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
        if self.unchecked:
            return diagnostics.WARN, f"waiting for {', '.join(sorted(self.unchecked))}", values
        if runner.trouble:
            return diagnostics.WARN, runner.trouble, values
        return diagnostics.OK, "asking" if runner.allowed else "waiting for the arm to be armed", values


def main() -> None:
    run_node(lambda: ManagedNode("policy_node", PolicyNode))


if __name__ == "__main__":
    main()
