"""Ask the kernel to run this thread, and those it starts, before everything that can wait."""

import os

PRIORITY = 10  # of 1..99; above every ordinary process, below what the kernel itself runs in real time


def ask_for_realtime() -> bool:
    """SCHED_FIFO for the calling thread, where the system lets this user; says whether it did.

    Threads started afterwards inherit it, and so do child processes: see `be_ordinary`. All of a
    process's Python threads should have it, since any of them may hold the interpreter lock.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except (OSError, AttributeError):  # not permitted; or not Linux
        return False
    return True


def be_ordinary() -> None:
    """Back to how every process is scheduled."""
    if hasattr(os, "sched_setscheduler"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
