"""`python -m hardware`, as a person types it."""

import subprocess
import sys
from pathlib import Path

import pytest

from hardware.spec import load_spec


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
        (("spec", "so100"), "error: unknown robot 'so100' (did you mean 'so101'?); valid: so101"),
        (("prots",), "error: unknown verb 'prots' (did you mean 'ports'?); valid: ports, robots, spec"),
        (("spec", "none.yaml"), "error: expected a robot spec file, 'none.yaml' does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    result = hardware(*arguments)
    assert result.returncode == 2
    assert result.stderr == message + "\n"
    assert result.stdout == ""


def test_a_bad_spec_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\njoints: 3\n")
    result = hardware("spec", str(path))
    assert result.returncode == 2
    assert result.stderr == f"error: {path}:2: joints: expected a list of mappings\n"
