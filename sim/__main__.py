"""`python -m sim VERB`: each verb is a frozen dataclass with `run()` in `verbs.py`."""

import sys

from hardware.cli import parse, run_command
from hardware.errors import unknown
from sim.errors import SimError
from sim.verbs import CheckExpert, Render, Tasks

VERBS: dict[str, type[Tasks] | type[Render] | type[CheckExpert]] = {
    "tasks": Tasks,
    "render": Render,
    "check-expert": CheckExpert,
}


def main() -> None:
    run_command(_main)


def _main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m sim VERB ...   (VERB --help explains its options)\n")
        for name, verb in VERBS.items():
            print(f"  {name:14}{(verb.__doc__ or '').splitlines()[0]}")
        return
    name = arguments[0]
    if name not in VERBS:
        raise SimError(unknown("verb", name, VERBS))
    parse(VERBS[name], f"python -m sim {name}", arguments[1:]).run()


if __name__ == "__main__":
    main()
