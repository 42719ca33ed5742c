"""What robot_node tells about its health, once a second."""

import os
from collections.abc import Mapping

from rclpy.node import Node

from hardware.control.loop import ControlLoop
from hardware.robot import Health
from limber_nodes import conversions, diagnostics
from limber_nodes.camera_feed import CameraFeed
from limber_nodes.camera_processes import CameraProcesses
from limber_nodes.period_meter import PeriodMeter
from limber_nodes.teleop_gate import TeleopGate


class RobotDiagnostics:
    """Level ERROR without a camera process; WARN while anything is lost; values are cumulative."""

    def __init__(
        self,
        node: Node,
        loop: ControlLoop,
        meter: PeriodMeter,
        gate: TeleopGate,
        feed: CameraFeed | CameraProcesses | None,
    ) -> None:
        self._loop = loop
        self._gate = gate
        self._meter = meter
        self._feed = feed
        self._last = self._losses()
        self._diagnostics = diagnostics.Diagnostics(
            node,
            self._collect,
            hardware_id=loop.spec.name,
            stamp=lambda: conversions.time_msg(loop.clock.now_ns()),
        )

    def close(self) -> None:
        self._diagnostics.publish()  # the last counts are the ones that matter
        self._diagnostics.stop()

    def _collect(self) -> diagnostics.Status:
        loop, feed = self._loop, self._feed
        scheduler = loop.scheduler.counters
        values: dict[str, object] = {
            "mode": loop.mode.value,
            "source": loop.source.value,
            "epoch": loop.epoch,
            "ticks": loop.tick_count,
            "realtime": os.sched_getscheduler(0) == os.SCHED_FIFO,  # of the thread that asked for it
            **self._meter.figures(),
            **{name: value for name, value in vars(loop.counters).items() if name != "refused"},
            "refused": sum(dict(loop.counters.refused).values()),
            "fault": loop.fault,
            "teleop_wait_s": self._gate.wait_s,
            "teleop_given_up": self._gate.given_up,
            "chunks_accepted": scheduler.accepted,
            "chunks_late": scheduler.late,
            "chunks_dropped": scheduler.dropped,
            "delay_steps": " ".join(map(str, scheduler.delays[-20:])),
        }
        conditions = loop.conditions
        values["wrong"] = "; ".join(map(conditions.describe, dict(conditions.active)))
        values |= {f"failsafe.{name}": count for name, count in dict(conditions.counts).items()}
        values |= {f"refused.{reason}": count for reason, count in dict(loop.counters.refused).items()}
        if isinstance(loop.robot, Health):
            values |= _flat(loop.robot.health())
        if feed is None:
            return self._level(), loop.mode.value, values
        feed.mend()
        published, until_ns = feed.frames_published
        values |= {f"frames_published.{name}": count for name, count in published.items()}
        values |= {
            "frames_published_until_ns": until_ns,
            "frames_lost": feed.frames_lost,
            "camera_restarts": feed.restarts,
            "camera_wait_s": feed.wait_s,
        }
        if not feed.ready:
            return diagnostics.ERROR, "the camera process is gone and being restarted", values
        return self._level(), loop.mode.value, values

    def _level(self) -> bytes:
        before, self._last = self._last, self._losses()
        return diagnostics.OK if before == self._last else diagnostics.WARN

    def _losses(self) -> tuple[int, ...]:
        counters = self._loop.counters
        lost = 0 if self._feed is None else self._feed.frames_lost
        refused = sum(dict(counters.refused).values())
        return refused, counters.dry_steps, counters.observer_errors, counters.robot_errors, lost


def _flat(health: Mapping[str, Mapping[str, float | str]]) -> dict[str, object]:
    return {f"{part}.{key}": value for part, values in health.items() for key, value in values.items()}
