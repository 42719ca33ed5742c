"""A recording cut short (a kill, a crash, a power cut) becomes a readable copy."""

from pathlib import Path

from policies.data.raw_log import EPISODE, FULL, PARTIAL, RESULT, Channel, DiskFullError, RawLogWriter
from policies.data.raw_log_reader import read_raw_log
from policies.errors import DatasetError

RECOVERED = ".recovered.mcap"


def recover(partial: Path) -> Path | None:
    """Copy all whole chunks of `NAME.mcap.partial` to `NAME.recovered.mcap`, and name it last.

    The cut file stays as it is. None when not one message survived. Raises `DatasetError` when
    it is no MCAP file, `PolicyError` when the copy exists, `DiskFullError` when there is no room for it.
    """
    log = read_raw_log(partial, allow_cut=True)
    if log.message_count == 0:
        return None
    target = recovered_path(partial)
    target.with_name(target.name + PARTIAL).unlink(missing_ok=True)  # of a recovery cut short itself
    writer = RawLogWriter(target, log.metadata.get(EPISODE, {}))
    messages = sorted(
        (
            (log_time, number, publish_time, Channel(t.topic, t.type_name, t.qos), payload)
            for t in log.topics.values()
            for number, (log_time, publish_time, payload) in enumerate(
                zip(t.log_times, t.publish_times, t.payloads, strict=True)
            )
        ),
        key=lambda m: m[:2],
    )
    try:
        for log_time, _, publish_time, channel, payload in messages:
            writer.write(channel, bytes(payload), log_time, publish_time)
        result = log.metadata.get(RESULT, {})
        return writer.save({**result, "ended": result.get("ended", "cut short"), "recovered": "true"})
    except BaseException as error:
        writer.discard()
        if isinstance(error, OSError) and error.errno in FULL:
            raise DiskFullError(f"expected room for a copy of {partial}, the disk is full") from None
        raise


def recover_folder(folder: Path) -> tuple[list[Path], list[str]]:
    """Recover every cut recording in `folder` that has no copy yet.

    Returns the copies made, and one line for each file of which nothing could be saved.
    """
    made: list[Path] = []
    lost: list[str] = []
    for reserve in folder.glob(f"*{PARTIAL}.reserve"):
        reserve.unlink()
    for partial in sorted(folder.glob(f"*.mcap{PARTIAL}")):
        if partial.name.endswith(RECOVERED + PARTIAL) or recovered_path(partial).exists():
            continue
        try:
            copy = recover(partial)
        except DatasetError as error:
            lost.append(str(error))
            continue
        if copy is None:
            lost.append(f"{partial}: not one whole chunk was written")
        else:
            made.append(copy)
    return made, lost


def recovered_path(partial: Path) -> Path:
    """Where the readable copy of `NAME.mcap.partial` goes."""
    return partial.with_name(partial.name.removesuffix(PARTIAL).removesuffix(".mcap") + RECOVERED)
