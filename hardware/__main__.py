"""`python -m hardware VERB`: each verb is a frozen dataclass with `run()` in its own file of `verbs/`."""

import sys
from typing import Any

from hardware.cli import parse, run_command
from hardware.errors import HardwareError, unknown
from hardware.verbs.calibrate import Calibrate
from hardware.verbs.doctor import Doctor
from hardware.verbs.emulate import Emulate
from hardware.verbs.failsafes import Failsafes
from hardware.verbs.latency import Latency
from hardware.verbs.monitor import Monitor
from hardware.verbs.ports import Ports
from hardware.verbs.replace_servo import ReplaceServo
from hardware.verbs.robots import Robots
from hardware.verbs.scan import Scan
from hardware.verbs.set_id import SetId
from hardware.verbs.spec import Spec

VERBS: dict[str, type[Any]] = {
    "robots": Robots,
    "spec": Spec,
    "ports": Ports,
    "scan": Scan,
    "set-id": SetId,
    "replace-servo": ReplaceServo,
    "calibrate": Calibrate,
    "monitor": Monitor,
    "doctor": Doctor,
    "latency": Latency,
    "failsafes": Failsafes,
    "emulate": Emulate,
}


def main() -> None:
    run_command(_main)


def _main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m hardware VERB ...   (VERB --help explains its options)\n")
        for name, verb in VERBS.items():
            print(f"  {name:13} {(verb.__doc__ or '').splitlines()[0]}")
        return
    name = arguments[0]
    if name not in VERBS:
        raise HardwareError(unknown("verb", name, VERBS))
    parse(VERBS[name], f"python -m hardware {name}", arguments[1:]).run()


if __name__ == "__main__":
    main()
