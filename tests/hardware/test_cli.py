"""`python -m hardware`, as a person types it."""

import io
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import pytest
import tyro

from hardware.__main__ import VERBS
from hardware.cli import parse
from hardware.errors import LimberError
from hardware.spec import load_spec, robot_names

VALID_VERBS = ", ".join(sorted(VERBS))


def hardware(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hardware", *arguments], capture_output=True, text=True)


def test_robots_and_specs_are_shown() -> None:
    assert "so101" in hardware("robots").stdout
    shown = hardware("spec", "so101")
    assert shown.returncode == 0
    spec = load_spec("so101")
    assert spec.hash in shown.stdout
    assert all(name in shown.stdout for name in (*spec.joint_names, *spec.camera_names))


def test_ports_and_help_answer() -> None:
    assert hardware("ports").returncode == 0
    listing = hardware("--help").stdout
    assert all(verb in listing for verb in ("robots", "spec", "ports"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("spec", "so110"),
            f"error: unknown robot 'so110' (did you mean 'so101'?); valid: {', '.join(robot_names())}",
        ),
        (("prots",), f"error: unknown verb 'prots' (did you mean 'ports'?); valid: {VALID_VERBS}"),
        (("spec", "none.yaml"), "error: expected a robot spec file, 'none.yaml' does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    result = hardware(*arguments)
    assert result.returncode == 2
    assert result.stderr == message + "\n"
    assert result.stdout == ""


@dataclass(frozen=True)
class Verb:
    """Anything."""

    robot: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ROBOT")]
    """Which one it is that is so long in its explanation that no terminal shows it in one line."""
    out: Path
    """Where to."""
    steps: int | None = None
    style: Literal["bar", "line"] = "bar"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "Missing from verb: ROBOT --out PATH"),
        ("a --out", "Missing value for argument '--out'"),
        ("a --out b --steps c", "Error parsing --steps: no type matching {None}|INT .* from ['c']; expected"),
        ("a --out b --stebs 3", "Unrecognized options: --stebs, 3; Perhaps you meant: --steps {None}|INT"),
        ("a --out b --style c", "invalid choice 'c' for argument '--style'. Expected one of ("),
        ("a b --out c", "Unrecognized options: b"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_arguments_that_do_not_fit_are_told_in_one_line(
    arguments: str, message: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))  # tyro's frame follows it
    with pytest.raises(LimberError, match=re.escape(message).replace(r"\.\*", ".*")) as caught:
        parse(Verb, "verb", arguments.split())
    text = str(caught.value)
    assert text.endswith(" (verb --help tells more)")
    assert "\n" not in text
    assert not {"─", "│"} & set(text)
    assert "explanation" not in text


def test_arguments_that_fit_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(Verb, "verb", ["a", "--out", "b"]) == Verb("a", Path("b"))
    with pytest.raises(SystemExit) as ended:
        parse(Verb, "verb", ["--help"])
    assert not ended.value.code
    assert "Which one it is" in capsys.readouterr().out


@pytest.mark.parametrize("room", ["hardware", "sim", "policies"])
def test_every_verb_refuses_what_it_does_not_know_in_one_line(
    room: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = import_module(f"{room}.__main__")
    for verb in main.VERBS:
        monkeypatch.setattr(sys, "argv", [room, verb, "--nonsense", "x"])
        with pytest.raises(SystemExit) as ended:
            main.main()
        said = capsys.readouterr()
        assert ended.value.code == 2, verb
        assert said.err.startswith("error: "), verb
        assert said.err.count("\n") == 1, verb
        assert said.out == ""


def test_a_bad_spec_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\njoints: 3\n")
    result = hardware("spec", str(path))
    assert result.returncode == 2
    assert result.stderr == f"error: {path}:2: joints: expected a list of mappings\n"
