"""What happens when: every condition that can befall a robot, and the one answer to each.

The loop raises conditions and looks their actions up here; nothing else decides. `Action` is ordered:
of several, the greatest wins. An action from PARK on is taken when its condition begins and is not
taken back when it ends; the others last as long as their condition.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum


class Action(IntEnum):
    """What the loop does; the greatest of several is done."""

    IGNORE = 0  # leave it out, count it, go on
    LIMIT = 1  # send the nearest that is allowed
    GRIP = 2  # the gripper keeps where it is, plus its grip margin; the arm goes on
    HOLD = 3  # decelerate and hold while it lasts
    PARK = 4  # move slowly to the rest pose, then torque off
    STOP = 5  # decelerate, hold, latch; what presses on something is sent back to where it is
    TORQUE_OFF = 6  # at once: the arm falls, its motors live
    GUARD = 7  # another process takes the port: goals := present positions, torque held


class Condition(str, Enum):
    """What can be wrong; the value is its name in counters, diagnostics and the table."""

    COMMAND_REFUSED = "command refused"
    OBSERVER_RAISED = "observer raised"
    BEYOND_LIMITS = "beyond limits"
    BEYOND_WORKSPACE = "beyond workspace"
    GRIPPER_STALLED = "gripper stalled"
    NO_GOAL = "no goal"
    READING_OLD = "reading old"
    READING_NOT_FINITE = "reading not finite"
    SERVO_HOT = "servo hot"
    LOOP_RAISED = "loop raised"
    EXIT = "exit"
    JOINT_STALLED = "joint stalled"
    PARK_BLOCKED = "park blocked"
    SERVO_SILENT = "servo silent"
    SERVO_PROTECTED = "servo protected"
    TORQUE_LOST = "torque lost"
    VOLTAGE = "voltage"
    ROBOT_ERROR = "robot error"
    LOOP_SUSPENDED = "loop suspended"
    SERVO_BURNING = "servo burning"
    LOOP_DIED = "loop died"


@dataclass(frozen=True)
class Failsafe:
    """One line of the table. blocks_arming: an arm is not armed while the condition lasts."""

    condition: Condition
    when: str
    action: Action
    goes_on: str
    blocks_arming: bool = False


_LINES = (
    Failsafe(
        Condition.COMMAND_REFUSED,
        "a command or chunk has wrong names, shape or a NaN, or was computed before a stop or takeover; "
        "a chunk is too late, a correction a step old",
        Action.IGNORE,
        "by itself",
    ),
    Failsafe(Condition.OBSERVER_RAISED, "whoever watches the loop raises", Action.IGNORE, "by itself"),
    Failsafe(
        Condition.BEYOND_LIMITS,
        "a goal needs more position, velocity, acceleration or jerk than a joint's limits",
        Action.LIMIT,
        "by itself",
    ),
    Failsafe(
        Condition.BEYOND_WORKSPACE,
        "the way to a goal leaves the workspace box, or brings two links closer than the margin",
        Action.LIMIT,
        "by a goal that leads back inside",
    ),
    Failsafe(
        Condition.GRIPPER_STALLED,
        "a gripper's motor current is above 60 % of stall and it is 0.05 rad short of its goal, for 0.3 s",
        Action.GRIP,
        "when it is opened, or what it held is gone",
    ),
    Failsafe(
        Condition.NO_GOAL,
        "nobody leads: no command for 100 ms, no point left in the plan",
        Action.HOLD,
        "with the next command or chunk",
    ),
    Failsafe(
        Condition.READING_OLD,
        "a joint's last reading is older than 5 control periods",
        Action.HOLD,
        "with the next reading",
    ),
    Failsafe(
        Condition.READING_NOT_FINITE,
        "a joint's reading is not a finite number",
        Action.HOLD,
        "with the next reading",
    ),
    Failsafe(
        Condition.SERVO_HOT,
        "a servo is within 5 deg C of the temperature at which it cuts its torque",
        Action.PARK,
        "arm, once it is cooler",
        blocks_arming=True,
    ),
    Failsafe(
        Condition.LOOP_RAISED,
        "the control loop meets a bug; a second one ends the process, as `loop died`",
        Action.PARK,
        "start the process again",
        blocks_arming=True,
    ),
    Failsafe(
        Condition.EXIT,
        "SIGTERM, Ctrl-C, deactivation: the process is to end (it stops first)",
        Action.PARK,
        "start the process again",
        blocks_arming=True,
    ),
    Failsafe(
        Condition.JOINT_STALLED,
        "a joint's motor current is above 60 % of stall and it is 0.05 rad short of its goal, for 0.3 s",
        Action.STOP,
        "arm",
    ),
    Failsafe(
        Condition.PARK_BLOCKED,
        "a joint does not follow for 0.5 s while the arm parks",
        Action.STOP,
        "clear its way, then park or arm",
    ),
    Failsafe(
        Condition.SERVO_SILENT,
        "a servo has not answered for 0.5 s",
        Action.STOP,
        "arm, once it answers",
        blocks_arming=True,
    ),
    Failsafe(
        Condition.SERVO_PROTECTED,
        "a servo has latched its own protection (overload, current, heat) and does not follow",
        Action.STOP,
        "recover, then arm",
        blocks_arming=True,
    ),
    Failsafe(
        Condition.TORQUE_LOST,
        "a servo's torque is off though nobody asked for it (brown-out)",
        Action.STOP,
        "arm",
    ),
    Failsafe(
        Condition.VOLTAGE,
        "the supply is outside a servo's range for 0.3 s",
        Action.STOP,
        "arm, once it is inside",
        blocks_arming=True,
    ),
    Failsafe(
        Condition.ROBOT_ERROR,
        "the robot cannot be read or sent to: the port is gone",
        Action.STOP,
        "arm, once it is back",
        blocks_arming=True,
    ),
    Failsafe(
        Condition.LOOP_SUSPENDED,
        "the loop has not run for 1 s (process stopped, machine asleep)",
        Action.STOP,
        "arm",
    ),
    Failsafe(
        Condition.SERVO_BURNING,
        "a servo is 5 deg C above the temperature at which it should have cut its torque",
        Action.TORQUE_OFF,
        "arm, once it is cooler",
        blocks_arming=True,
    ),
    Failsafe(
        Condition.LOOP_DIED,
        "the loop's process is gone without a word (kill -9, crash)",
        Action.GUARD,
        "start the process again",
    ),
)
FAILSAFES = {line.condition: line for line in _LINES}

MEANINGS = {
    Action.IGNORE: "left out and counted; the arm goes on",
    Action.LIMIT: "the nearest that is allowed is sent",
    Action.GRIP: "the gripper keeps its place plus its grip margin; the arm goes on",
    Action.HOLD: "decelerate and hold while it lasts",
    Action.PARK: "slow move to the rest pose, then torque off",
    Action.STOP: "decelerate within limits, hold, latch",
    Action.TORQUE_OFF: "torque off at once: the arm falls",
    Action.GUARD: "the guardian takes the port: goals := present positions, torque held",
}


def decide(conditions: Iterable[Condition]) -> Action:
    """The action for all that is wrong at once."""
    return max((FAILSAFES[condition].action for condition in conditions), default=Action.IGNORE)


def table() -> str:
    """The table as Markdown, the README's very lines."""
    rows = ["| condition | when | action | goes on |", "|---|---|---|---|"]
    for line in FAILSAFES.values():
        action = line.action.name.lower()
        rows.append(f"| {line.condition.value} | {line.when} | `{action}` | {line.goes_on} |")
    return "\n".join(rows)


def legend() -> str:
    """What each action means, one line an action."""
    return "\n".join(f"- `{action.name.lower()}`: {text}" for action, text in MEANINGS.items())
