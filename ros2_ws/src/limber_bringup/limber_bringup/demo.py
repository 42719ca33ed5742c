"""`make demo`: collect, export, train, deploy and report, with the commands a person would type.

Every stage is a command of its own and is printed before it runs; what is measured here is
only how long each took.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hardware.cli import parse, run_command
from hardware.errors import LimberError

MINIMUM_EPISODES = 50


@dataclass(frozen=True)
class Demo:
    """From nothing to a learned policy moving the simulated arm, through ROS 2, and a report of it."""

    out: Path = Path("runs/demo")
    """Folder of everything made; one that exists is kept beside it under another name."""
    episodes: int = 150
    """Demonstrations to collect, if the time allows; never fewer than 50."""
    collect_seconds: float = 150.0
    """Stop collecting after this long, once there are 50."""
    train_minutes: float = 2.0
    """Wall-clock budget of training."""
    evaluation_episodes: int = 20
    """Unseen episodes, at real-time speed."""
    seed: int = 0
    """First seed of the demonstrations, and the seed of training."""

    def run(self) -> None:
        if self.episodes < MINIMUM_EPISODES:
            raise LimberError(f"episodes: expected at least {MINIMUM_EPISODES}, got {self.episodes}")
        # A domain of its own keeps another graph on this machine out of the recordings.
        os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 101))
        begin = time.monotonic()
        _set_aside(self.out)
        self.out.mkdir(parents=True)
        stages = _install_seconds()
        launch = [sys.executable, "-m", "limber_bringup"]
        learn = [sys.executable, "-m", "policies"]
        recordings, dataset, policy = self.out / "recordings", self.out / "dataset", self.out / "policy"

        def stage(name: str, command: list[str]) -> None:
            stages[name] = _run_stage(name, command)
            (self.out / "stages.json").write_text(json.dumps(stages, indent=2) + "\n")

        stage(
            "collect",
            [*launch, "launch/collect.launch.xml", "speed:=inf", f"dataset:={recordings}"]
            + [f"episodes:={self.episodes}", f"seed:={self.seed}", f"seconds:={self.collect_seconds:g}"]
            + [f"at_least:={MINIMUM_EPISODES}"],
        )
        stage("export", [*learn, "export-log", str(recordings), "--out", str(dataset)])
        stage(
            "train",
            [*learn, "train", "--dataset", str(dataset), "--out", str(policy)]
            + ["--minutes", f"{self.train_minutes:g}", "--seed", str(self.seed)],
        )
        stage(
            "evaluate",
            [*launch, "launch/deploy.launch.xml", f"checkpoint:={policy / 'checkpoint'}"]
            + [f"episodes:={self.evaluation_episodes}", f"report:={self.out / 'report.html'}"]
            + [f"stages:={self.out / 'stages.json'}"],
        )
        _summary(self.out, stages, time.monotonic() - begin)


def _run_stage(name: str, command: list[str]) -> float:
    """Seconds that `command` took; `LimberError` when it failed."""
    shown = " ".join(["python", *command[1:]])
    print(f"\n=== {name}: {shown}", flush=True)
    begin = time.monotonic()
    # In a session of its own a Ctrl-C reaches the stage once, from here, and it may take its time to end.
    stage = subprocess.Popen(command, start_new_session=True)
    try:
        code = stage.wait()
    except KeyboardInterrupt:
        stage.send_signal(signal.SIGINT)
        stage.wait()
        raise
    if code:
        raise LimberError(f"stage {name!r} ended with exit code {code}; what was made before it is kept")
    seconds = time.monotonic() - begin
    print(f"=== {name}: {seconds:.1f} s", flush=True)
    return seconds


def _set_aside(folder: Path) -> None:
    """Give an earlier run's folder a name of its own, so that nothing is overwritten."""
    if folder.exists():
        made = datetime.fromtimestamp(folder.stat().st_mtime).strftime("%Y%m%d-%H%M%S")
        kept = folder.with_name(f"{folder.name}-{made}")
        folder.rename(kept)
        print(f"an earlier run is kept in {kept}")


def _install_seconds() -> dict[str, float]:
    """How long the last installation took to download and to install, from its log."""
    log = Path(sys.prefix) / "install.log"
    text = log.read_text() if log.is_file() else ""
    seconds = {}
    for stage, word in (("install_download", "Prepared"), ("install", "Installed")):
        found = re.search(rf"{word} .* in (?:(\d+)m )?([\d.]+)(ms|s)", text)
        if found:
            unit = 0.001 if found[3] == "ms" else 1.0
            seconds[stage] = 60.0 * float(found[1] or 0) + unit * float(found[2])
    return seconds


def _summary(out: Path, stages: dict[str, float], total: float) -> None:
    report = json.loads((out / "report.json").read_text())
    print("\nstage              seconds")
    for name, seconds in stages.items():
        print(f"{name:18} {seconds:7.1f}")
    print(f"{'demo':18} {total:7.1f}   (without installing)")
    print(
        f"\nsuccess {report['success_rate']:.0%} of {report['n_episodes']} unseen episodes "
        f"(95 % interval {report['interval_low']:.0%} to {report['interval_high']:.0%})"
    )
    print(f"report: {out / 'report.html'}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run_command(lambda: parse(Demo, "make demo").run())
