"""The control loop, ticked by hand: who has control, what is refused, and the answer to every fault."""

import threading
from collections.abc import Callable

import numpy as np
import pytest
from support.fake_robot import FakeRobot, without_cameras
from support.motion import assert_within_limits

from hardware.control.loop import ControlLoop, Mode, Source, TickReport
from hardware.safety.filter import SafetyFilter
from hardware.safety.limits import Limits
from hardware.spec import load_spec

SPEC = without_cameras(load_spec("so101"))
NAMES = SPEC.joint_names
LIMITS = Limits.of(SPEC)
PERIOD_NS = 10_000_000
STEP_NS = 50_000_000
MIDDLE = 0.5 * (SPEC.joint_array("lower") + SPEC.joint_array("upper"))


class Rig:
    """A fake arm in the middle of its range, its loop, and every report so far."""

    def __init__(self, **options: object) -> None:
        self.robot = FakeRobot(SPEC)
        self.robot.state = MIDDLE.copy()
        self.robot.connect()
        self.clock = self.robot.clock
        self.loop = ControlLoop(self.robot, self.clock, SafetyFilter(SPEC), **options)  # type: ignore[arg-type]
        self.reports: list[TickReport] = []

    def tick(self, count: int = 1) -> TickReport:
        for _ in range(count):
            self.reports.append(self.loop.tick())
            self.clock.time_ns += PERIOD_NS
        return self.reports[-1]

    def to_step(self) -> TickReport:
        """Tick until the next tick is a step's first; the last report."""
        self.tick()
        while self.loop.tick_count % SPEC.ticks_per_step:
            self.tick()
        return self.reports[-1]

    def key(self) -> int:
        """The stamp of the first tick of a new step, with that tick done."""
        self.to_step()
        return self.tick().stamp_ns

    @property
    def sent(self) -> np.ndarray:
        return np.array([r.sent for r in self.reports if r.mode is not Mode.DISARMED])

    @property
    def refused(self) -> dict[str, int]:
        return self.loop.counters.refused


def armed(**options: object) -> Rig:
    rig = Rig(**options)
    rig.loop.arm()
    rig.to_step()
    assert rig.loop.mode is Mode.ARMED
    return rig


def slow_chunk(start: np.ndarray, length: int = 16, speed: float = 0.2) -> np.ndarray:
    """Points that leave `start` gently, all joints alike: (length, 6)."""
    return start + speed * 0.05 * (np.arange(length)[:, None] + 1)


# -- arming -----------------------------------------------------------------------------------


def test_nothing_is_sent_before_arm_and_the_arm_may_be_moved_by_hand() -> None:
    rig = Rig()
    rig.tick(5)
    rig.robot.state = MIDDLE + 0.3
    report = rig.tick()
    assert rig.robot.sent == []
    assert not rig.robot.torque
    np.testing.assert_allclose(report.sent, MIDDLE + 0.3, atol=1e-6)
    rig.loop.arm()
    rig.tick(50)
    assert rig.robot.torque
    np.testing.assert_allclose(rig.robot.sent[-1], MIDDLE + 0.3, atol=1e-6)


def test_arm_is_refused_where_the_robot_does_not_know_where_it_is() -> None:
    rig = Rig()
    rig.tick()
    rig.robot.state[2] = np.nan
    rig.loop.arm()
    rig.tick()
    assert rig.loop.mode is Mode.DISARMED
    assert rig.refused == {"arm: not finite": 1}
    assert not rig.robot.torque


# -- chunks -----------------------------------------------------------------------------------


def test_point_i_is_sent_on_the_last_tick_of_step_k_plus_i() -> None:
    rig = armed()
    key = rig.key()
    step = rig.reports[-1].step
    points = slow_chunk(rig.loop.safety.position)
    points[0] = rig.loop.safety.position  # the running step is over by then
    points[1:] = points[0] + 0.004 * np.arange(1, 16)[:, None] ** 1.0
    rig.loop.offer_chunk(NAMES, points, key)
    rig.tick(100)
    last = {r.step: r for r in rig.reports if r.tick % 5 == 4}
    for i in range(1, 16):
        np.testing.assert_array_equal(last[step + i].base, points[i])
    assert last[step + 15].source is Source.POLICY
    assert last[step + 16].source is Source.HOLD
    assert rig.loop.scheduler.counters.delays == [1]


def test_names_in_another_order_are_put_right() -> None:
    rig = armed()
    points = slow_chunk(rig.loop.safety.position) + 0.01 * np.arange(6)
    order = [3, 1, 5, 0, 2, 4]
    rig.loop.offer_chunk([NAMES[i] for i in order], points[:, order], rig.key())
    rig.to_step()
    np.testing.assert_array_equal(rig.to_step().base, points[1])


GOOD = np.tile(MIDDLE, (16, 1))


def _with_nan() -> np.ndarray:
    bad = GOOD.copy()
    bad[9, 2] = np.nan
    return bad


BAD_CHUNKS: dict[str, tuple[tuple[str, ...], np.ndarray, str]] = {
    "a NaN": (NAMES, _with_nan(), "chunk: not finite"),
    "infinity": (NAMES, np.full((16, 6), np.inf), "chunk: not finite"),
    "five joints": (NAMES, GOOD[:, :5], "chunk: wrong shape"),
    "one point flat": (NAMES, GOOD[0], "chunk: wrong shape"),
    "no point": (NAMES, GOOD[:0], "chunk: wrong shape"),
    "another robot's names": (("a", "b", "c", "d", "e", "f"), GOOD, "chunk: wrong names"),
    "a name twice": ((*NAMES[:5], NAMES[0]), GOOD, "chunk: wrong names"),
    "a name too few": (NAMES[:5], GOOD[:, :5], "chunk: wrong names"),
}


@pytest.mark.parametrize("bad", BAD_CHUNKS)
def test_a_bad_chunk_is_refused_counted_and_changes_nothing(bad: str) -> None:
    names, points, reason = BAD_CHUNKS[bad]
    rigs = []
    for offer in (False, True):
        rig = armed()
        rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
        key = rig.key()
        if offer:
            rig.loop.offer_chunk(names, points, key)
        rig.tick(60)
        rigs.append(rig)
    assert (rigs[0].sent == rigs[1].sent).all(), "the arm keeps its last safe course"
    assert rigs[1].refused == {reason: 1}
    assert reason in rigs[1].loop.fault


def test_stamps_that_are_unknown_or_old_are_refused() -> None:
    rig = armed()
    key = rig.key()
    rig.tick(230)  # 2.3 s
    for stamp in (key, key + 1, rig.clock.now_ns() + STEP_NS, 0):
        rig.loop.offer_chunk(NAMES, GOOD, stamp)
    report = rig.tick(10)
    assert rig.refused == {"chunk: unknown stamp": 4}
    assert report.source is Source.HOLD


BOUNDARIES: dict[str, Callable[[Rig], None]] = {
    "stop and re-arm": lambda rig: (rig.loop.stop(), rig.tick(3), rig.loop.arm()),
    "re-arm": lambda rig: rig.loop.arm(),
    "takeover and hand-back": lambda rig: (rig.loop.offer_teleop(NAMES, MIDDLE), rig.tick(15)),
    "a world reset": lambda rig: (
        rig.loop.call(lambda: rig.loop.reset_world(lambda: None)),
        rig.loop.arm(),
    ),
}


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_nothing_computed_before_a_boundary_runs_after_it(boundary: str) -> None:
    """The chunk that was playing ends, and the one being computed is refused when it comes."""
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    key = rig.key()
    epoch = rig.loop.epoch
    BOUNDARIES[boundary](rig)
    rig.tick()
    assert rig.loop.mode is Mode.ARMED
    assert rig.loop.epoch > epoch
    rig.loop.offer_chunk(NAMES, GOOD, key)
    rig.loop.offer_correction(NAMES, np.full(6, 0.01), key)
    at = len(rig.reports)
    rig.tick(20)
    assert rig.refused == {"chunk: unknown stamp": 1}
    assert rig.loop.counters.stale_corrections == 1
    assert all(r.base is None for r in rig.reports[at:])
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.tick(5)
    assert rig.loop.source is Source.POLICY, "a chunk on a stamp of the new epoch is played"


def test_a_late_chunk_enters_where_the_arm_is_or_is_dropped() -> None:
    rig = armed(min_remaining=4)
    key = rig.key()
    step = rig.reports[-1].step
    points = slow_chunk(rig.loop.safety.position, speed=0.1)
    for _ in range(11):
        rig.to_step()
    rig.loop.offer_chunk(NAMES, points, key, expected_delay=2)
    rig.tick()
    assert rig.loop.scheduler.counters.late == 1
    assert rig.loop.source is Source.POLICY
    assert rig.loop.scheduler.counters.delays == [rig.reports[-1].step - step]
    np.testing.assert_array_equal(rig.to_step().base, points[rig.reports[-1].step - step])
    rig.to_step()
    rig.loop.offer_chunk(NAMES, points, key)
    rig.tick()
    assert rig.refused == {"chunk: too late": 1}
    assert rig.loop.scheduler.counters.dropped == 1


def test_a_dry_run_decelerates_holds_and_is_counted_once() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position, length=6, speed=0.6), rig.key())
    rig.tick(60)
    dry = [r for r in rig.reports if r.dry]
    assert len(dry) == rig.loop.counters.dry_steps == 1
    assert dry[0].source is Source.HOLD
    assert (rig.loop.safety.velocity == 0).all()
    assert_within_limits(rig.sent, LIMITS, SPEC.control_dt)
    assert rig.loop.mode is Mode.ARMED
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.tick(5)
    assert rig.loop.source is Source.POLICY


def test_the_plan_is_what_is_then_played() -> None:
    rig = armed(plan_length=8)
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.to_step()
    first = rig.tick()
    assert first.planned is not None
    assert first.planned.shape == (8, 6)
    rig.tick(60)
    last = {r.step: r.base for r in rig.reports if r.tick % 5 == 4}
    for i, point in enumerate(first.planned):
        np.testing.assert_array_equal(last[first.step + i], point)
    others = [r for r in rig.reports if r.tick % 5]
    assert all(r.planned is None for r in others)


# -- a person ---------------------------------------------------------------------------------


def test_a_person_takes_over_and_gives_back_by_silence() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.tick(10)
    assert rig.loop.source is Source.POLICY
    goal = rig.loop.safety.position - 0.1
    for _ in range(30):
        rig.loop.offer_teleop(NAMES, goal)
        assert rig.tick().source is Source.PERSON
    np.testing.assert_allclose(rig.loop.safety.position, goal)
    silent = [rig.tick().source for _ in range(20)]
    assert silent.index(Source.HOLD) == 10, "100 ms after the last command"
    assert rig.tick(20).source is Source.HOLD, "the policy's old plan is gone"
    assert_within_limits(rig.sent, LIMITS, SPEC.control_dt)


def test_chunks_are_refused_while_a_person_drives() -> None:
    rig = armed()
    for _ in range(10):
        rig.loop.offer_teleop(NAMES, MIDDLE)
        key = rig.tick().stamp_ns
    rig.loop.offer_chunk(NAMES, GOOD, key)
    rig.tick()
    assert rig.refused == {"chunk: no control": 1}


@pytest.mark.parametrize(
    ("names", "goal", "reason"),
    [
        (NAMES, np.full(6, np.nan), "teleop command: not finite"),
        (NAMES, np.zeros(5), "teleop command: wrong shape"),
        (NAMES[:5], np.zeros(5), "teleop command: wrong names"),
    ],
)
def test_a_bad_command_does_not_engage(names: tuple[str, ...], goal: np.ndarray, reason: str) -> None:
    rig = armed()
    assert not rig.loop.offer_teleop(names, goal), "who waits for an answer is told that this is none"
    assert rig.tick().source is Source.HOLD
    assert rig.refused == {reason: 1}
    assert rig.loop.offer_teleop(NAMES, MIDDLE)


# -- corrections ------------------------------------------------------------------------------


def test_a_correction_is_added_for_one_step_and_reported() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    rig.tick(10)
    delta = np.full(6, 0.002)
    rig.loop.offer_correction(NAMES, delta, rig.reports[-1].stamp_ns)
    reports = [rig.tick() for _ in range(8)]
    used = [r.correction is not None for r in reports]
    assert used == [True] * 5 + [False] * 3
    assert (reports[0].correction == delta).all()


def test_a_stale_or_bad_correction_is_left_out_and_counted() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position), rig.key())
    old = rig.tick().stamp_ns
    rig.tick(5)
    rig.loop.offer_correction(NAMES, np.full(6, 0.002), old)
    rig.loop.offer_correction(NAMES, np.full(6, np.nan), rig.clock.now_ns())
    assert rig.tick().correction is None
    assert rig.loop.counters.stale_corrections == 1
    assert rig.refused == {"correction: not finite": 1}


def test_a_correction_alone_moves_nothing() -> None:
    rig = armed()
    rig.loop.offer_correction(NAMES, np.full(6, 0.1), rig.clock.now_ns())
    report = rig.tick()
    assert report.base is None
    assert report.correction is None
    np.testing.assert_allclose(report.sent, MIDDLE, atol=1e-6)


# -- stopping ---------------------------------------------------------------------------------


def test_stop_decelerates_holds_and_latches() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position, speed=0.8), rig.key())
    rig.tick(30)
    assert np.abs(rig.loop.safety.velocity).min() > 0.5
    rig.loop.stop()
    for _ in range(60):
        rig.loop.offer_teleop(NAMES, MIDDLE + 0.3)
        rig.loop.offer_chunk(NAMES, GOOD, rig.tick().stamp_ns)
    assert rig.loop.mode is Mode.STOPPED
    assert (rig.loop.safety.velocity == 0).all()
    assert (rig.sent[-1] == rig.sent[-30]).all()
    assert rig.robot.torque
    assert_within_limits(rig.sent, LIMITS, SPEC.control_dt)


def test_park_moves_slowly_to_rest_then_cuts_the_torque() -> None:
    rig = armed()
    rig.loop.park()
    while rig.loop.mode is not Mode.DISARMED and len(rig.reports) < 1000:
        rig.tick()
    np.testing.assert_allclose(rig.robot.sent[-1], SPEC.joint_array("rest"), atol=2e-3)
    assert not rig.robot.torque
    assert_within_limits(rig.sent, LIMITS, SPEC.control_dt)
    assert np.abs(np.diff(rig.sent, axis=0)).max() / SPEC.control_dt < 0.8, "0.5 rad/s, and some to catch up"
    assert rig.tick().source is Source.HOLD


def test_an_arm_that_is_blocked_while_it_parks_keeps_its_torque_and_says_where() -> None:
    rig = armed()
    rig.robot.blocked[1] = True
    before = rig.robot.state[1]
    rig.loop.park()
    rig.tick(800)
    assert rig.loop.mode is Mode.STOPPED
    assert rig.robot.torque
    assert rig.loop.fault.startswith("park: shoulder_lift is at ")
    assert "elbow" not in rig.loop.fault
    assert rig.sent[-1, 1] == pytest.approx(before), "it is not pressed on"
    assert_within_limits(rig.sent, LIMITS, SPEC.control_dt)
    rig.robot.blocked[1] = False
    rig.loop.park()
    rig.tick(800)
    assert rig.loop.mode is Mode.DISARMED
    np.testing.assert_allclose(rig.robot.state, SPEC.joint_array("rest"), atol=2e-3)


@pytest.mark.parametrize("trouble", ["old readings", "no numbers"])
def test_parking_that_was_held_up_goes_on_as_slowly(trouble: str) -> None:
    rig = armed()
    rig.loop.park()
    rig.tick(40)
    state = rig.robot.state
    if trouble == "old readings":
        rig.robot.latency_ns = 80_000_000
    else:
        rig.robot.state = np.full(6, np.nan)
    rig.tick(100)
    rig.robot.latency_ns, rig.robot.state = 0, state
    rig.tick(800)
    assert rig.loop.mode is Mode.DISARMED
    assert np.abs(np.diff(rig.sent, axis=0)).max() / SPEC.control_dt < 0.8


def test_a_gripper_that_holds_something_may_park() -> None:
    rig = armed()
    rig.robot.blocked[5] = True
    rig.loop.park()
    rig.tick(800)
    assert rig.loop.mode is Mode.DISARMED


def test_a_knock_does_not_end_parking_and_the_torque_stays_until_the_arm_is_back() -> None:
    rig = armed()
    rig.loop.park()
    while np.abs(rig.loop.safety.position - SPEC.joint_array("rest")).max() > 0.05:
        rig.tick()
    rig.robot.blocked[:] = True
    rig.robot.state[2] -= 0.3
    rig.tick(40)
    assert rig.loop.mode is Mode.PARKING
    assert rig.robot.torque
    rig.robot.blocked[:] = False
    rig.tick(40)
    assert rig.loop.mode is Mode.DISARMED


def test_a_stop_ends_parking() -> None:
    rig = armed()
    rig.loop.park()
    rig.tick(40)
    rig.loop.stop()
    rig.tick(40)
    assert rig.loop.mode is Mode.STOPPED
    assert (rig.sent[-1] == rig.sent[-2]).all()
    assert rig.robot.torque


def test_release_lets_the_torque_fade_over_a_second() -> None:
    rig = armed()
    rig.loop.release()
    fractions = []
    for _ in range(110):
        rig.tick()
        fractions.append(rig.robot.torque_limit)
    assert (np.diff(fractions) <= 0).all()
    assert fractions[49] == pytest.approx(0.5, abs=0.02)
    assert rig.loop.mode is Mode.DISARMED
    assert not rig.robot.torque
    rig.loop.arm()
    rig.tick()
    assert rig.robot.torque
    assert rig.robot.torque_limit == 1.0


@pytest.mark.parametrize("verb", ["stop", "park", "release"])
def test_an_arm_without_torque_gets_none_by_stopping(verb: str) -> None:
    rig = Rig()
    getattr(rig.loop, verb)()
    rig.tick(5)
    assert rig.loop.mode is Mode.DISARMED
    assert rig.robot.sent == []


# -- faults -----------------------------------------------------------------------------------


def test_a_dead_bus_stops_the_arm_and_is_tried_again() -> None:
    rig = armed()
    rig.loop.offer_chunk(NAMES, slow_chunk(rig.loop.safety.position, speed=0.6), rig.key())
    rig.tick(20)
    rig.robot.dead = True
    rig.tick(10)
    assert rig.loop.mode is Mode.STOPPED
    assert rig.loop.counters.robot_errors == 20, "ten readings and ten sendings"
    assert rig.loop.fault == "robot: servo 3: no answer"
    rig.robot.dead = False
    rig.tick(40)
    assert rig.loop.mode is Mode.STOPPED, "latched"
    assert (rig.loop.safety.velocity == 0).all()
    assert rig.loop.counters.robot_errors == 20
    rig.loop.arm()
    assert rig.tick().mode is Mode.ARMED


def test_a_port_that_fails_at_the_end_of_parking_stops_the_arm_which_may_park_again() -> None:
    rig = armed()
    rig.robot.unplugged = True
    rig.loop.park()
    rig.tick(800)
    assert rig.loop.mode is Mode.STOPPED
    assert rig.loop.fault == "robot: device disconnected"
    rig.robot.unplugged = False
    rig.loop.park()
    rig.tick(10)
    assert rig.loop.mode is Mode.DISARMED
    assert not rig.robot.torque


def test_a_port_that_fails_while_releasing_is_tried_again_until_the_torque_is_off() -> None:
    rig = armed()
    rig.loop.release()
    rig.tick(90)
    rig.robot.unplugged = True
    rig.tick(30)
    assert rig.loop.mode is Mode.RELEASING
    assert rig.loop.counters.robot_errors == 30
    rig.robot.unplugged = False
    rig.tick()
    assert rig.loop.mode is Mode.DISARMED
    assert not rig.robot.torque


def test_a_robot_that_never_answered_ends_the_loop() -> None:
    rig = Rig()
    rig.robot.dead = True
    with pytest.raises(Exception, match="servo 3: no answer"):
        rig.tick()


def test_readings_that_are_late_hold_the_arm_while_it_lasts() -> None:
    rig = armed()
    goal = MIDDLE + 0.4
    for tick in range(60):
        rig.robot.latency_ns = 80_000_000 if 10 <= tick < 40 else 0
        rig.loop.offer_teleop(NAMES, goal)
        rig.tick()
        if tick == 39:
            assert (rig.loop.safety.velocity == 0).all()
    assert rig.loop.counters.stale_observations == 30
    assert_within_limits(rig.sent, LIMITS, SPEC.control_dt)
    for _ in range(60):
        rig.loop.offer_teleop(NAMES, goal)
        rig.tick()
    np.testing.assert_allclose(rig.sent[-1], goal)


def test_an_observer_that_raises_is_counted_and_the_others_hear() -> None:
    heard: list[int] = []

    def broken(report: TickReport) -> None:
        raise RuntimeError("disk full")

    rig = armed(observers=[broken, lambda report: heard.append(report.tick)])
    rig.tick(5)
    assert heard == list(range(rig.loop.tick_count))
    assert rig.loop.counters.observer_errors == rig.loop.tick_count
    assert rig.loop.fault == "observer: RuntimeError: disk full"


def test_a_call_that_raises_does_not_end_the_loop() -> None:
    rig = armed()
    done = rig.loop.call(lambda: [][0])
    rig.tick()
    assert done.is_set()
    assert rig.refused == {"call: raised": 1}


def test_what_is_offered_may_be_changed_afterwards() -> None:
    rig = armed()
    points = slow_chunk(rig.loop.safety.position)
    kept = points.copy()
    rig.loop.offer_chunk(NAMES, points, rig.key())
    points[:] = 99.0
    rig.to_step()
    np.testing.assert_array_equal(rig.to_step().base, kept[1])


# -- the thread -------------------------------------------------------------------------------


def test_run_keeps_its_grid_and_does_not_make_up_for_a_late_tick() -> None:
    rig = Rig()
    end = threading.Event()
    starts: list[int] = []

    def watch(report: TickReport) -> None:
        starts.append(report.stamp_ns)
        if report.tick == 5:
            rig.clock.time_ns += 35_000_000  # something took three periods
        if report.tick == 12:
            end.set()

    rig.loop.observers.append(watch)
    rig.loop.run(end)
    assert np.diff(starts).tolist() == [PERIOD_NS] * 5 + [35_000_000] + [PERIOD_NS] * 6
    assert rig.loop.counters.overruns == 1


def test_commands_of_many_threads_all_arrive() -> None:
    rig = armed()

    def offer() -> None:
        for _ in range(200):
            rig.loop.offer_teleop(NAMES, np.full(6, np.nan))

    threads = [threading.Thread(target=offer) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        rig.tick()
    rig.tick()
    assert rig.refused == {"teleop command: not finite": 800}
