"""Whether something can be written where a person wants it, found before hours of work are done."""

import tempfile
from pathlib import Path

from policies.errors import PolicyError


def check_writable(folder: Path) -> None:
    """Raise `PolicyError`, naming what is in the way, unless `folder` can be made and written into.

    Permissions do not tell (root may write to /proc, and cannot), so a folder is made and removed again.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise PolicyError(f"expected a folder to write into, {there} is a file")
    try:
        Path(tempfile.mkdtemp(prefix=".limber-", dir=there)).rmdir()
    except OSError as error:
        raise PolicyError(f"expected a folder to write into, {there}: {error.strerror}") from None


def report_page(path: str, overwrite: bool) -> Path:
    """The page at `path`, a folder or the page's own name ending in .html, with its figures beside it.

    Raises `PolicyError` where it cannot be written, or where it or the figures exist, unless `overwrite`.
    """
    page = Path(path)
    if page.suffix != ".html":
        page /= "report.html"
    for file in (page, page.with_suffix(".json")):
        if file.exists() and not overwrite:
            raise PolicyError(f"parameter 'report': {file} exists; name another or set overwrite")
    check_writable(page.parent)
    return page
