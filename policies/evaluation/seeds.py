"""Published, disjoint seed ranges. Every number this project states names one of them.

A seed places the task's objects and the arm; what was used to make a policy is never used to
measure it.
"""

COLLECTION = range(0, 10_000)  # demonstrations
REINFORCEMENT = range(10_000, 50_000)  # training of RL
SELECTION = range(50_000, 50_200)  # choosing a checkpoint of a run
TUNING = range(60_000, 61_000)  # choosing hyperparameters and presets
FINAL_TEST = range(100_000, 110_000)  # what is reported

RANGES = {
    "collection": COLLECTION,
    "reinforcement": REINFORCEMENT,
    "selection": SELECTION,
    "tuning": TUNING,
    "final-test": FINAL_TEST,
}
