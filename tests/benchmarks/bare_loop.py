"""A loop that only sleeps to absolute deadlines: the peer of bench-loop, in a process of its own.

python tests/benchmarks/bare_loop.py SECONDS HZ REALTIME    prints its period errors in ms as JSON
"""

import json
import os
import sys
import time


def bare_loop(seconds: float, control_hz: float, realtime: bool) -> list[float]:
    """|period - what it should be| of every period, in ms; with real-time priority where permitted."""
    if realtime:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))  # as hardware/control/priority.py
        except OSError:
            print("real-time priority is not permitted here", file=sys.stderr)
    period, errors = 1.0 / control_hz, []
    due = last = time.monotonic()
    end = due + seconds
    while due < end:
        due = max(due + period, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        errors.append(abs(now - last - period) * 1e3)
        last = now
    return errors


if __name__ == "__main__":
    print(json.dumps(bare_loop(float(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "True")))
