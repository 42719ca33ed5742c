"""Gathers the next batches in a thread while the present one trains."""

import queue
import threading
from collections.abc import Iterator
from types import TracebackType

from policies.data.sampler import Batch, ChunkSampler


class Prefetcher:
    """A `ChunkSampler` that is `depth` batches ahead; the sampler belongs to it from then on.

    Copying pixels lets go of the interpreter, so this hides the gathering behind a GPU's work. On two
    cores without a GPU it gains nothing: the copy is a thousandth of a training step.
    """

    def __init__(self, sampler: ChunkSampler, depth: int = 2) -> None:
        # in use at once: those queued, the one being gathered and the one the caller holds
        sampler.use_buffers(depth + 2)
        self._sampler = sampler
        self._state = sampler.state_dict()
        self._queue: queue.Queue[tuple[Batch, dict[str, int]] | BaseException] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._gather, name="prefetch", daemon=True)
        self._thread.start()

    def next(self) -> Batch:
        """The next batch, in the order the sampler alone would give them."""
        got = self._queue.get()
        if isinstance(got, BaseException):
            raise got
        batch, self._state = got
        return batch

    def __iter__(self) -> Iterator[Batch]:
        """Batches without end."""
        while True:
            yield self.next()

    def state_dict(self) -> dict[str, int]:
        """Where the caller stands, whatever was gathered ahead; for `ChunkSampler.load_state_dict`."""
        return self._state

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        while self._thread.is_alive():
            if not self._queue.empty():
                self._queue.get()
            self._thread.join(0.01)

    def __enter__(self) -> "Prefetcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _gather(self) -> None:
        try:
            while not self._stop.is_set():
                self._queue.put((self._sampler.next(), self._sampler.state_dict()))
        except BaseException as error:
            self._queue.put(error)
