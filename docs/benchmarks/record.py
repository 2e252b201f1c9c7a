"""What every result says of itself: the command, the commit, the versions and the machine."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from unified.environment import environment

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"


def _git(*args: str) -> str:
    done = subprocess.run(["git", "-C", str(RESULTS), *args], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _commit() -> str:
    """The commit, with '+' where tracked sources differ from it."""
    changed = "+" if _git("status", "--porcelain", "--untracked-files=no", "--", "../../*.py") else ""
    return (_git("rev-parse", "--short", "HEAD") or "unknown") + changed


COMMIT = _commit()  # when the run starts: the sources may move on while it computes


def write(name: str, results: dict[str, Any], folder: Path | None = None) -> Path:
    """Write NAME.json to docs/results, or to another folder: command, environment, results."""
    script = Path(sys.argv[0]).resolve()
    if script.is_relative_to(ROOT):
        script = script.relative_to(ROOT)
    command = shlex.join(["python", script.as_posix(), *sys.argv[1:]])
    path = (folder or RESULTS) / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"command": command, "commit": COMMIT, **environment(), **results}, indent=1) + "\n")
    return path
