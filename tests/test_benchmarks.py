"""The benchmark against peers runs, on toy sizes, and its peers solve what ours solves."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "docs" / "benchmarks"


@pytest.mark.slow
def test_all_entrants_solve_the_same_problems(tmp_path, monkeypatch):
    command = [sys.executable, BENCHMARKS / "speed.py", "--quick", "--repeats", "1", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
    contests = [*result["cases"].values(), *result["growth"]]
    assert len(contests) == 8
    for case in contests:
        for name, entrant in case["entrants"].items():
            if "converged" not in entrant:  # full multigrid alone, and the constant problem beside the field's
                assert name in ("ours, full multigrid alone", "ours, a = 1")
                continue
            assert entrant["converged"], (case["shape"], name)
            assert entrant["difference"] < 1e-7, (case["shape"], name)
        if "ours, full multigrid alone" in case["entrants"]:
            assert case["entrants"]["ours, full multigrid alone"]["error"] < 1.2
    assert ("PETSc" in result["missing"]) != ("PCMG, SOR" in result["cases"]["large"]["entrants"])
    assert (tmp_path / "speed.png").stat().st_size > 10_000
    monkeypatch.syspath_prepend(BENCHMARKS)
    import tables

    assert "## Time to solution" in tables.speed(result)


@pytest.mark.slow
def test_the_benchmark_of_fields_runs(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import fields
    import tables

    written = {}
    monkeypatch.setattr(fields, "SHAPES", fields.QUICK)
    monkeypatch.setattr(fields, "write", lambda name, result: written.update({name: result}))
    fields.main(["--repeats", "1"])
    for name, case in written["fields"]["results"].items():
        entrants = case["entrants"]
        assert all(row["result"] == "converged" for row in entrants.values())
        assert [row["level"] for row in entrants.values()] == ["fused", "composed", "fused"], name
    about = {"command": "", "commit": "", "torch": "", "processor": "", "threads": 1, "date": ""}
    assert "## Fields of coefficients" in tables.fields({**written["fields"], **about})


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")
def test_the_benchmark_of_a_gpu_runs(tmp_path):
    """Under Triton's interpreter, where there is no GPU."""
    command = [sys.executable, BENCHMARKS / "gpu.py", "--quick", "--repeats", "1", "--out", tmp_path]
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    for case in ("plane", "cube"):
        for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
            measured = result[case][dtype]
            assert measured["difference"] < tolerance
            assert measured["rate"] < 0.2
            assert measured["fmg"]["error"] < 2


def test_the_benchmarks_of_training_run(tmp_path, monkeypatch):
    """At toy size: rates beside a plain loop, and a set of classifiers side by side."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.chdir(tmp_path)
    import classifiers
    import vision_speed

    written = []
    for script in (classifiers, vision_speed):
        monkeypatch.setattr(script, "write", lambda name, result: written.append((name, result)) or name)
    monkeypatch.setattr(classifiers, "FIGURES", tmp_path)
    vision_speed.main(["--quick", "--device", "cpu"])
    monkeypatch.setitem(
        classifiers.SETS, "small", {"a": {"name": "mgnet-16", "steps": (1, 1)}, "b": {"name": "resnet-20"}}
    )
    classifiers.main([".", "small", "--data", "digits", "--images", "40", "--epochs", "1", "--device", "cpu"])
    assert [name for name, _ in written] == ["classifiers-small"]  # nothing of --quick
    assert [row["model"] for row in written[-1][1]["summary"]] == ["a", "b"]
    assert (tmp_path / "classifiers-small.png").stat().st_size > 10_000
    assert all(0 <= run["test_accuracy"] <= 1 for run in written[-1][1]["runs"])
