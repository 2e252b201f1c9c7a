"""What a solver returns."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unified import Result, Solution


def solution(*residuals, **fields):
    fields = {"u": torch.zeros(3), "result": Result.converged, "level": "composed", "method": "mg"} | fields
    return Solution(residuals=residuals, **fields)


@given(st.floats(1e-3, 2), st.integers(1, 12))
def test_rate_of_a_geometric_history(rate, cycles):
    found = solution(*(rate**i for i in range(cycles + 1)))
    assert found.cycles == cycles
    assert found.rate == pytest.approx(rate, rel=1e-12)


def test_rate_is_that_of_the_last_five():
    history = (1.0, 0.9, 0.8, *(0.8 * 0.1**i for i in range(1, 6)))
    assert solution(*history).rate == pytest.approx(0.1, rel=1e-12)


def test_rate_without_a_cycle_or_a_residual():
    assert math.isnan(solution(1.0).rate)
    assert math.isnan(solution(0.0, 0.0).rate)
    assert solution(1.0, 0.0).rate == 0


def test_only_converged_is_ok():
    assert [result for result in Result if result.ok] == [Result.converged]


def test_each_result_says_what_to_do():
    messages = [result.value for result in Result]
    assert len(set(messages)) == len(Result) == 5
    for result in Result:
        assert len(result.value) > 40
        if not result.ok:
            assert result.value.count(".") >= 1  # symptom and causes, then the remedy


def test_repr_fits_a_line():
    found = solution(1.0, 0.1, 0.01, seconds={"setup": 0.25, "cycles": 0.5})
    assert repr(found) == (
        "Solution(converged, mg, 2 cycles, rate 0.100, relative residual 1.0e-02, 0.75 s (setup 0.25, cycles 0.5), "
        "float64, composed)"
    )


def test_solutions_are_compared_by_identity():
    """Comparing field by field would ask for the truth value of a tensor."""
    one = solution(1.0)
    assert one == one
    assert one != copy.copy(one)
    assert len({one, copy.copy(one)}) == 2


def test_a_solution_is_frozen():
    with pytest.raises(AttributeError):
        solution(1.0).u = None
