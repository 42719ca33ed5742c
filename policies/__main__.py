"""`python -m policies VERB`: each verb is a frozen dataclass with `run()` in its own file of `verbs/`."""

import sys
from importlib import import_module

from hardware.cli import parse, run_command
from hardware.errors import LimberError, unknown

VERBS = {  # verb -> (module in policies.verbs, class, what it does)
    "collect": ("collect", "Collect", "demonstrations of a scripted expert, in process, as a LeRobotDataset"),
    "train": ("train", "Train", "a policy on a LeRobotDataset"),
    "dataset": ("dataset", "Dataset", "list, inspect, merge, split, delete or recover whole datasets"),
    "export-log": ("export_log", "ExportLog", "raw MCAP logs to a LeRobotDataset"),
    "evaluate": ("evaluate", "Evaluate", "a checkpoint in lock-step over unseen seeds"),
}


def main() -> None:
    run_command(_main)


def _main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python -m policies VERB ...   (VERB --help explains its options)\n")
        for verb, (_, _, about) in VERBS.items():
            print(f"  {verb:12} {about}")
        return
    verb = arguments[0]
    if verb not in VERBS:
        raise LimberError(unknown("verb", verb, VERBS))
    module, name, _ = VERBS[verb]
    command = getattr(import_module(f"policies.verbs.{module}"), name)
    parse(command, f"python -m policies {verb}", arguments[1:]).run()


if __name__ == "__main__":
    main()
