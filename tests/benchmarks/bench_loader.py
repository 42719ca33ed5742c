"""bench-loader: training batches a second from our sampler and from lerobot's dataset and DataLoader.

Both read the same dataset, written here: two cameras of 96 x 96, windows of two observations and a
chunk of 16 actions, batches of 64, shuffled, and hand out images as floats in 0..1. lerobot is
measured with no worker and with two, and its better figure counts. Our images are decoded once
beforehand; that time is reported apart.

    python tests/benchmarks/bench_loader.py [--quick]
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from figures import write_figures

from policies.data.frames import load_dataset
from policies.data.layout import robot_features
from policies.data.lerobot_writer import DatasetWriter
from policies.data.sampler import ChunkSampler

JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]
CAMERAS = ("front", "wrist")
SIDE = 96
FPS = 20
N_OBS_STEPS = 2
CHUNK_SIZE = 16
BATCH_SIZE = 64


def write_dataset(root: Path, n_episodes: int, n_frames: int) -> None:
    """Episodes of moving coloured squares over a shaded table: compresses about like rendered scenes."""
    rng = np.random.default_rng(0)
    shade = np.linspace(60, 200, SIDE, dtype=np.float32)[:, None, None] * np.ones((1, SIDE, 3), np.float32)
    features = robot_features(JOINTS, dict.fromkeys(CAMERAS, (SIDE, SIDE)))
    with DatasetWriter(root, FPS, features, "so101") as writer:
        for seed in range(n_episodes):
            phase, speed = rng.uniform(0, 6.28, 6), rng.uniform(0.2, 1.0, 6)
            for t in range(n_frames):
                state = np.sin(phase + speed * t / FPS).astype(np.float32)
                frame: dict[str, Any] = {"observation.state": state, "action": state + 0.05 * np.cos(phase)}
                for c, camera in enumerate(CAMERAS):
                    image = shade + rng.normal(0, 2, (SIDE, SIDE, 1))
                    for k in range(3):
                        row, column = (40 + 35 * state[[k, k + 3 - c]]).astype(int)
                        image[row : row + 14, column : column + 14] = (230 - 90 * k, 60 * k, 80 + 60 * c)
                    frame[f"observation.images.{camera}"] = image.clip(0, 255).astype(np.uint8)
                frame["action"] = frame["action"].astype(np.float32)
                writer.add_frame(frame)
            writer.save_episode("put the cube into the bin", {"seed": seed, "success": True})


def rate(batches: Iterator[Any], n_batches: int, repeats: int, warm_up: int) -> float:
    """Samples a second, the median of `repeats` stretches."""
    for _ in range(warm_up):
        next(batches)
    rates = []
    for _ in range(repeats):
        begin = time.perf_counter()
        for _ in range(n_batches):
            next(batches)
        rates.append(n_batches * BATCH_SIZE / (time.perf_counter() - begin))
    return statistics.median(rates)


def as_floats(sampler: ChunkSampler) -> Iterator[dict[str, torch.Tensor]]:
    """Batches as lerobot hands them out: a camera at a time, float32 in 0..1, channels first."""
    floats = torch.empty(len(CAMERAS), BATCH_SIZE, N_OBS_STEPS, SIDE, SIDE, 3)
    for batch in sampler:
        tensors = batch.torch()
        floats.copy_(tensors.pop("images").movedim(2, 0)).mul_(1 / 255)
        yield {**tensors, **dict(zip(CAMERAS, floats.movedim(-1, -3), strict=True))}


def ours(root: Path, n_batches: int) -> dict[str, float]:
    """Samples/s as floats and as bytes, seconds of the one-time decode and to open it again."""
    begin = time.perf_counter()
    load_dataset(root)
    decoded = time.perf_counter()
    frames = load_dataset(root)
    opened = time.perf_counter()
    sampler = ChunkSampler(frames, N_OBS_STEPS, CHUNK_SIZE, BATCH_SIZE, seed=0)
    return {
        "samples_per_s": rate(as_floats(sampler), n_batches, repeats=5, warm_up=10),
        "samples_per_s_uint8": rate((batch.torch() for batch in sampler), n_batches, repeats=5, warm_up=10),
        "decode_once_s": decoded - begin,
        "open_again_s": opened - decoded,
    }


def lerobots(root: Path, n_batches: int, num_workers: int) -> float:
    """Samples/s of LeRobotDataset and torch's DataLoader on the same windows."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
    from torch.utils.data import DataLoader

    past = [i / FPS for i in range(-N_OBS_STEPS + 1, 1)]
    deltas = {f"observation.images.{camera}": past for camera in CAMERAS}
    deltas |= {"observation.state": past, "action": [i / FPS for i in range(CHUNK_SIZE)]}
    dataset = LeRobotDataset("bench/loader", root=root, delta_timestamps=deltas, video_backend=backend())
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True, num_workers=num_workers)
    return rate(
        iter(loader), n_batches, repeats=1, warm_up=max(1, 2 * num_workers)
    )  # past the queue's filling


def backend() -> str:
    """torchcodec, lerobot's faster decoder, where its FFmpeg libraries are installed."""
    try:
        import torchcodec.decoders  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        return "pyav"
    return "torchcodec"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a small dataset and few batches")
    quick = parser.parse_args().quick
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(1)  # for both, as a DataLoader's workers have it: they leave the cores to training
    n_episodes, n_frames = (8, 60) if quick else (60, 120)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "dataset"
        begin = time.perf_counter()
        write_dataset(root, n_episodes, n_frames)
        write_s = time.perf_counter() - begin
        figures = ours(root, 20 if quick else 100)
        # workers first: a decoder that this process had opened would break in a forked one
        peers = {f"lerobot_workers_{n}_samples_per_s": lerobots(root, 2 if quick else 8, n) for n in (2, 0)}
    frames = n_episodes * n_frames
    best = max(peers.values())
    figures |= {
        "ratio_vs_lerobot": figures["samples_per_s"] / best,
        "decode_once_images_per_s": frames * len(CAMERAS) / figures["decode_once_s"],
        "make_and_write_frames_per_s": frames / write_s,
        "frames": frames,
    }
    workers, alone = (f"{rate:.0f}" for rate in peers.values())
    verdict = "yes" if figures["ratio_vs_lerobot"] >= 10 else "NO"
    rows = [
        ("samples/s, no worker", f"{figures['samples_per_s']:.0f}", alone, ""),
        ("samples/s, two workers", "-", workers, ""),
        ("samples/s, images left as bytes", f"{figures['samples_per_s_uint8']:.0f}", "-", ""),
        ("ratio to lerobot's better", f"{figures['ratio_vs_lerobot']:.1f}", ">= 10", verdict),
        (f"decode {frames} x {len(CAMERAS)} images, once", f"{figures['decode_once_s']:.1f} s", "-", ""),
        ("open again", f"{figures['open_again_s'] * 1e3:.0f} ms", "-", ""),
    ]
    peers["lerobot_best_samples_per_s"] = best
    write_figures("loader", figures, {**peers, "video_backend": backend()}, rows)


if __name__ == "__main__":
    main()
