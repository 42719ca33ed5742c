"""Which conditions hold in a tick, which have just begun, and how often each has."""

from dataclasses import dataclass

from hardware.safety.failsafes import FAILSAFES, Action, Condition, decide

EVERYDAY = frozenset(  # nothing to tell anybody
    c for c, line in FAILSAFES.items() if line.action < Action.GRIP or c is Condition.NO_GOAL
)


@dataclass(frozen=True)
class Decision:
    """`lasting`: what to do while this lasts; `begun`: what to do once, with the reason in words.

    holds: the arm has no goal in this tick, whatever else is to be done.
    """

    lasting: Action
    begun: Action
    reason: str
    holds: bool


class Conditions:
    """Raised during a tick, settled once in it."""

    def __init__(self) -> None:
        self.active: dict[Condition, str] = {}  # condition -> detail, as of the last `settle`
        self.counts: dict[str, int] = {}  # how often each began
        self._raised: dict[Condition, str] = {}

    def raise_(self, condition: Condition, detail: str = "") -> None:
        """This condition holds now; the first detail of a tick is kept."""
        self._raised.setdefault(condition, detail)

    def settle(self) -> Decision:
        """What the table says to what was raised since the last call."""
        before, self.active, self._raised = self.active, self._raised, {}
        begun = [condition for condition in self.active if condition not in before]
        for condition in begun:
            self.counts[condition.value] = self.counts.get(condition.value, 0) + 1
        action = decide(begun)
        reasons = [c for c in begun if FAILSAFES[c].action is action and c not in EVERYDAY]
        reason = self.describe(reasons[0]) if reasons else ""
        holds = action >= Action.PARK or any(FAILSAFES[c].action is Action.HOLD for c in self.active)
        return Decision(decide(self.active), action, reason, holds)

    def clear(self) -> None:
        """What was wrong is over: the robot was put elsewhere, and in order."""
        self.active, self._raised = {}, {}

    def describe(self, condition: Condition) -> str:
        """The condition and its detail, in words."""
        detail = self.active.get(condition, "")
        return f"{condition.value}: {detail}" if detail else condition.value

    @property
    def blocking(self) -> list[str]:
        """What stands against arming, in words."""
        return [self.describe(c) for c in self.active if FAILSAFES[c].blocks_arming]
