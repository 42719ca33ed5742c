"""The control loop, ticked by hand: stop, park, release, and the answer to every fault."""

import threading

import numpy as np
import pytest
from support.loop_rig import GOOD, LIMITS, MIDDLE, NAMES, PERIOD_NS, SPEC, Rig, armed, slow_chunk
from support.motion import assert_within_limits

from hardware.control.loop import Mode, Source, TickReport

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
    assert rig.loop.fault.startswith("park blocked: shoulder_lift is at ")
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
    assert rig.loop.fault == "robot error: servo 3: no answer"
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
    assert rig.loop.fault == "robot error: device disconnected"
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
