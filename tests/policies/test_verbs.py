"""The command line: collect, train and evaluate for real, and bad input in one line."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from policies.data.frames import load_dataset
from policies.errors import PolicyError
from policies.evaluation.seeds import TUNING
from policies.verbs.collect import Collect
from policies.verbs.evaluate import Evaluate
from policies.verbs.train import Train


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "demonstrations"
    Collect(out, episodes=3, first_seed=9000, width=32, height=32, workers=1, progress="none").run()
    return out


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    Train(dataset, out, steps=3, threads=1, batch_size=8, progress="none").run()
    return out


def test_collected_demonstrations_are_clean_goals_and_noisy_motion(dataset):
    frames = load_dataset(dataset, progress=False)
    assert frames.n_episodes == 3
    assert set(frames.images) == {"front", "wrist"}
    assert frames.fps == 20
    assert all(info["success"] for info in frames.episode_info)
    first = slice(0, int(frames.episode_starts[1]))
    rough = np.abs(np.diff(frames.action[first], n=2, axis=0)).mean()
    followed = np.abs(frames.state[first][3:] - frames.action[first][:-3]).mean()
    assert followed < 0.15  # the arm goes where it is told
    assert followed > rough  # and not exactly: noise was on the way to the motors, not in the labels


def test_a_collection_that_was_killed_goes_on_to_the_same_result(dataset, tmp_path):
    out = tmp_path / "demonstrations"
    arguments = (
        f"--out {out} --episodes 3 --first-seed 9000 --width 32 --height 32 --workers 1 --progress none"
    )
    command = [sys.executable, "-m", "policies", "collect", *arguments.split()]
    with subprocess.Popen(command) as collecting:
        while not (tmp_path / "demonstrations.partial/episode-000001").exists():
            assert collecting.poll() is None
            time.sleep(0.005)
        collecting.kill()
    assert not out.exists()
    refused = subprocess.run(command, capture_output=True, text=True)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
    subprocess.run([*command, "--resume"], check=True)
    whole, resumed = load_dataset(dataset, progress=False), load_dataset(out, progress=False)
    assert resumed.episode_info == whole.episode_info
    for ours, theirs in ((resumed.state, whole.state), (resumed.action, whole.action)):
        np.testing.assert_array_equal(ours, theirs)
    for camera, images in whole.images.items():
        np.testing.assert_array_equal(resumed.images[camera], images)


def test_a_collection_of_something_else_is_not_gone_on_with(dataset, tmp_path):
    out = tmp_path / "demonstrations"
    with pytest.raises(PolicyError, match="expected a new folder"):
        Collect(dataset, resume=True).run()
    notes = [{"seed": 9000}, {"seed": 9002}]
    assert Collect(out, first_seed=9000)._next_seed(notes) == 9003
    for other in (Collect(out, first_seed=9003), Collect(out, first_seed=9000, episodes=1)):
        with pytest.raises(PolicyError, match="holds 2 up to seed 9002"):
            other._next_seed(notes)


def test_train_and_evaluate(run, tmp_path, capsys):
    out = tmp_path / "figures.json"
    Evaluate(run, episodes=2, first_seed=TUNING.start, workers=1, out=out, progress="none").run()
    figures = json.loads(out.read_text())
    assert figures["n_episodes"] == 2
    assert 0 <= figures["interval_low"] <= figures["success_rate"] <= figures["interval_high"] <= 1
    assert figures["latency_ms"]["p50"] > 0
    assert "(tuning)" in figures["conditions"]["seeds"]
    assert "success" in capsys.readouterr().out
    with pytest.raises(PolicyError, match="nothing was overwritten"):
        Evaluate(run, out=out).run()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "flwo"}, "unknown policy 'flwo' .did you mean 'flow'"),
        ({"option": ("stepz=3",)}, "unknown option 'stepz'"),
        ({"option": ("steps",)}, "expected NAME=VALUE"),
        ({"cameras": ("side",)}, r"expected \[side\], the dataset has \[front wrist\]"),
        ({"chunk_size": 5000}, "chunk_size: expected at most"),
        ({"robot": "so10"}, "unknown robot 'so10'"),
        ({"option": ("max_prefix=abc",)}, "option max_prefix: expected int, got 'abc'"),
        ({"option": ("max_prefix=99",)}, "option max_prefix: expected 0 to 15, got 99"),
        ({"option": ("num_inference_steps=0",)}, "option num_inference_steps: expected at least 1, got 0"),
        ({"steps": 0}, "budget: expected a finite number above 0, got 0"),
        ({"steps": None, "minutes": 0.0}, "budget: expected a finite number above 0, got 0"),
        ({"steps": None, "minutes": float("nan")}, "budget: expected a finite number above 0, got nan"),
        ({"learning_rate": float("nan")}, "learning_rate: expected a finite number above 0, got nan"),
        ({"chunk_size": 0}, "chunk_size and n_obs_steps of at least 1, got 0, 1"),
        ({"n_obs_steps": 0}, "chunk_size and n_obs_steps of at least 1, got 16, 0"),
        ({"device": "cuda:99"}, "unknown device 'cuda:99'; valid: cpu"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
    ],
)
def test_bad_training_input(dataset, tmp_path, changes, message):
    options = {"steps": 3, "threads": 1, "progress": "none", **changes}
    with pytest.raises(Exception, match=message) as caught:
        Train(dataset, tmp_path / "run", **options).run()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_budget_of_core_minutes_is_the_only_one(dataset, tmp_path):
    Train(dataset, tmp_path / "run", core_minutes=0.02, threads=1, batch_size=8, progress="none").run()
    config = json.loads((tmp_path / "run/checkpoint/config.json").read_text())["training"]["config"]
    assert (config["core_minutes"], config["minutes"], config["steps"]) == (0.02, None, None)


def test_nothing_is_overwritten(dataset, run):
    with pytest.raises(PolicyError, match="--resume"):
        Train(dataset, run, steps=3).run()
    with pytest.raises(PolicyError, match="exists"):
        Collect(dataset).run()


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ("sim:Foo-v0", "got 'sim:Foo-v0': Environment `Foo` doesn't exist"),
        ("CartPole-v1", "got 'CartPole-v1': .* unexpected keyword argument"),
        ("nowhere:Foo-v0", "No module named 'nowhere'"),
    ],
)
def test_an_environment_that_cannot_be_used(run, tmp_path, env, message):
    """Before a pool of workers or a dataset is begun."""
    with pytest.raises(PolicyError, match=message) as collecting:
        Collect(tmp_path / "data", env=env, progress="none").run()
    with pytest.raises(PolicyError, match=message) as evaluating:
        Evaluate(run, env=env, first_seed=TUNING.start, progress="none").run()
    assert "\n" not in f"{collecting.value}{evaluating.value}"
    assert list(tmp_path.iterdir()) == []


def test_command_line_ends_with_2_and_one_line(tmp_path):
    bad = [sys.executable, "-m", "policies", "evaluate", "--checkpoint", str(tmp_path / "none")]
    done = subprocess.run(bad, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: expected a checkpoint folder")
    assert done.stderr.count("\n") == 1


def test_importing_policies_stays_light():
    """A training machine may have torch and nothing else; and it should not wait for imports."""
    code = (
        "import sys, time, torch\n"
        "begun = time.process_time()\n"
        "import policies, policies.train, policies.checkpoint, policies.presets, policies.table\n"
        "import policies.evaluation.rollout\n"
        "print(time.process_time() - begun)\n"
        "print([m for m in ('lerobot', 'diffusers', 'mujoco', 'rclpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, heavy = done.stdout.split("\n")[:2]
    assert heavy == "[]"
    assert float(seconds) < 2.0
