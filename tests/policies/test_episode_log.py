"""An episode's log: what belongs to it is decided by stamps, whenever it arrives."""

import numpy as np
import pytest

from policies.evaluation.episode_log import EpisodeLog

STEP_NS = 50_000_000
BEGIN_NS = 10 * STEP_NS


def test_result_is_made_of_what_lies_within_the_episode() -> None:
    log = EpisodeLog(seed=7, begin_ns=BEGIN_NS, step_ns=STEP_NS)
    for step in range(8, 40):
        stamp = step * STEP_NS
        log.states.append((stamp, np.full(2, step, float)))
        log.sent.append((stamp, np.full(2, step, float)))
        log.frames.setdefault("front", []).append((stamp, b"jpeg"))
    for step in (10, 14, 18, 29):
        log.chunks[step * STEP_NS] = np.zeros((4, 2))
    # Steps 10 to 30: the first plan comes at 12, none at 20 and 21; what comes later is not counted.
    log.plans = {step * STEP_NS: int(step >= 12 and step not in (20, 21, 35)) for step in range(8, 40)}
    log.end(30 * STEP_NS, "timeout")
    log.delay_steps = {10 * STEP_NS: 2, 14 * STEP_NS: 1}  # diagnostics come after the end
    log.latency_ms = {14 * STEP_NS: 20.0, 10 * STEP_NS: 60.0}

    result = log.result()
    assert (result.seed, result.verdict, result.seconds) == (7, "timeout", 1.0)
    assert result.delay_steps == (2, 1)
    assert result.latency_ms == (60.0, 20.0)
    assert result.dry_steps == 2
    assert result.refused == 1, "18 was never played; 29 was cut off by the end"
    assert result.trace is not None
    assert result.trace.times_s[[0, -1]].tolist() == [0.0, 1.0]
    assert [(c.start_s, c.entered_s) for c in result.trace.chunks] == [(0.0, 0.1), (0.2, 0.25)]
    assert len(result.trace.frames["front"]) == 21


def test_an_episode_that_is_not_shown_keeps_its_numbers_only() -> None:
    log = EpisodeLog(1, 0, STEP_NS)
    log.states.append((0, np.zeros(2)))
    with pytest.raises(ValueError, match="has not ended"):
        log.result()
    log.end(STEP_NS, "success")
    log.drop_trace()
    assert log.result().trace is None
    assert log.result().success
