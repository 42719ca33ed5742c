"""What a check of the doctor says."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `mend`: the line that mends it, for what is not ok."""

    level: Level
    subject: str
    said: str
    mend: str = ""
