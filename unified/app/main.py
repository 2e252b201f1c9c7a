"""The command `vcycle`: a table of subcommands whose modules are imported when they run.

A subcommand's module has `options(arguments)`, the dataclass of its options, whose defaults may depend on the
arguments; `run(options)`, which does the work and returns a report of JSON values; and `text(report)`, the report as a
person reads it.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import json
import math
import os
import sys
from collections.abc import Sequence
from typing import Any

from ..errors import ArgumentError

COMMANDS = {
    "solve": "solve a Poisson problem by multigrid",
    "train": "train a classifier",
    "evaluate": "test a trained classifier on a data set",
    "predict": "classify image files",
    "inspect": "draw what is inside a trained classifier: spectra, roots, states, residuals",
    "export": "write a trained classifier for other programs: safetensors, torch.export, ONNX",
    "compare": "train several classifiers with one recipe, side by side",
    "models": "list the models: weights, multiply-adds, source",
    "show": "draw a cycle, a hierarchy or a model",
    "demo": "solve, edit photographs, train, compare: a report in HTML",
}


def usage() -> str:
    """The table of subcommands.

    >>> print(usage().splitlines()[0])
    usage: vcycle COMMAND [OPTIONS]
    """
    width = max(map(len, COMMANDS))
    rows = [f"  {name:{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: vcycle COMMAND [OPTIONS]",
            "",
            "One multigrid cycle, two backends: partial differential equations and image classifiers.",
            "",
            *rows,
            "",
            "vcycle COMMAND --help lists a command's options; --json prints its report for programs.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0, or 1 for a failed run, 2 for bad input, 130 when interrupted."""
    name, *rest = (sys.argv[1:] if argv is None else list(argv)) or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name == "--version":
        from importlib.metadata import version

        print(f"vcycle {version('vcycle')}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        return _fail(
            "vcycle",
            f"unknown command {name!r}{f'; did you mean {near[0]}?' if near else ''}\n\n{usage()}",
            2,
        )
    import tyro

    style = (tyro.conf.FlagCreatePairsOff,)  # --json, not also --no-json
    module = importlib.import_module(f".{name}", __package__)
    prog = f"vcycle {name}"
    try:
        options = tyro.cli(module.options(rest), prog=prog, description=module.__doc__, args=rest, config=style)
        report = module.run(options)
        print(json.dumps(_finite(report)) if options.json else module.text(report), flush=True)
        return 0 if report.get("ok", True) else 1
    except BrokenPipeError:  # the reader (head, say) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ArgumentError as error:
        return _fail(prog, str(error), 2)
    except KeyboardInterrupt:
        return _fail(prog, "interrupted", 130)
    except (RuntimeError, MemoryError, OSError) as error:  # a diverged run, no memory, a full disk
        return _fail(prog, f"{type(error).__name__}: {error}", 1)


def _finite(value: Any) -> Any:
    """The report with null for NaN and infinity, which JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _fail(prog: str, message: str, status: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        print(f"{prog}: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
