"""`python -m policies collect`: demonstrations of a scripted expert, without ROS."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.spec import load_spec
from policies.collection import check_environment, collect
from policies.data.layout import ACTION, IMAGES, STATE, robot_features
from policies.data.staging import Note
from policies.errors import DatasetError, PolicyError
from policies.evaluation.seeds import COLLECTION
from policies.progress import Style, progress


@dataclass(frozen=True)
class Collect:
    """Collect successful demonstrations from an environment that offers an expert."""

    out: Path
    """Folder of the LeRobotDataset; must not exist."""
    env: str = "sim:PickPlace-v0"
    """A gymnasium name; its package is imported now."""
    episodes: int = 100
    """Successful demonstrations to keep; failed ones are left out."""
    first_seed: int = COLLECTION.start
    """Published ranges are in policies/evaluation/seeds.py."""
    robot: str = "so101"
    """A shipped robot's name, or a path to a spec's YAML file."""
    width: int = 96
    """Picture width in px, of every camera; 96 is what the spec has and the presets take."""
    height: int = 96
    """Picture height in px."""
    workers: int = 2
    """Processes, each with an environment."""
    resume: bool = False
    """Go on with an interrupted collection into OUT, given the same other arguments."""
    progress: Style | None = None
    """Default: a bar on a terminal, else a line every 15 s."""

    def run(self) -> None:
        from policies.data.lerobot_writer import DatasetWriter

        if self.episodes < 1:
            raise PolicyError(f"episodes: expected at least 1, got {self.episodes}")
        spec = load_spec(self.robot).with_cameras(width=self.width, height=self.height)
        features = robot_features(spec.joint_names, {c.name: (c.height, c.width) for c in spec.cameras})
        options = {"robot": self.robot, "width": self.width, "height": self.height}
        check_environment(self.env, **options)  # before anything is written
        begun = time.monotonic()
        with (
            DatasetWriter(self.out, spec.action_hz, features, spec.name, resume=self.resume) as writer,
            progress("collecting", self.progress) as advance,
        ):
            seeds = iter(range(self._next_seed(writer.saved_info()), COLLECTION.stop))
            missing = self.episodes - writer.n_episodes
            for demo in collect(self.env, seeds, missing, self.workers, **options):
                for t in range(len(demo.state)):
                    frame = {STATE: demo.state[t], ACTION: demo.action[t]}
                    frame |= {IMAGES + name: images[t] for name, images in demo.images.items()}
                    writer.add_frame(frame)
                writer.save_episode(demo.instruction, {"success": True, "seed": demo.seed})
                advance(writer.n_episodes / self.episodes, f"{writer.n_episodes} of {self.episodes}")
            if writer.n_episodes < self.episodes:
                raise DatasetError(
                    f"episodes: expected {self.episodes}, the seeds {self.first_seed}..{COLLECTION.stop - 1} "
                    f"gave {writer.n_episodes}; they are kept in {self.out}.partial"
                )
            writer.finalize()
        print(f"{self.episodes} demonstrations in {time.monotonic() - begun:.0f} s: {self.out}")

    def _next_seed(self, notes: Sequence[Mapping[str, Note]]) -> int:
        """The seed after those of the saved episodes, which come in order."""
        if not notes:
            return self.first_seed
        last = notes[-1].get("seed")
        if not isinstance(last, int) or last < self.first_seed or len(notes) > self.episodes:
            raise PolicyError(
                f"resume: expected at most {self.episodes} episodes of seeds from {self.first_seed}, "
                f"{self.out}.partial holds {len(notes)} up to seed {last}"
            )
        return last + 1
