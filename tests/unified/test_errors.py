"""The one form of messages about bad input."""

import copy
import pickle

import numpy as np
import pytest

from unified import ArgumentError, DataError
from unified.errors import whole

FIELDS = {"got": -1.0, "expected": "a number >= 0", "do": "use rtol=1e-8"}


@pytest.mark.parametrize("kind", [ArgumentError, DataError])
def test_message_names_argument_got_expected_and_remedy(kind):
    error = kind("rtol", **FIELDS)
    assert str(error) == "rtol: got -1.0; expected a number >= 0; use rtol=1e-8"
    assert {name: getattr(error, name) for name in FIELDS} == FIELDS
    assert error.argument == "rtol"


def test_both_are_value_errors():
    assert issubclass(DataError, ArgumentError)
    assert issubclass(ArgumentError, ValueError)


@pytest.mark.parametrize("kind", [ArgumentError, DataError])
@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))],
    ids=["copy", "deep", "pickle"],
)
def test_errors_cross_a_process_boundary(kind, copied):
    error = copied(kind("rtol", **FIELDS))
    assert type(error) is kind
    assert str(error) == "rtol: got -1.0; expected a number >= 0; use rtol=1e-8"
    assert error.got == -1.0


def test_whole_numbers_are_pythons_and_numpys():
    whole("n", 1, do="")
    whole("n", np.int64(1), do="")
    for value in (0, 1.0, True, "1", None, np.float64(1)):
        with pytest.raises(ArgumentError, match=r"n: got .+; expected a whole number >= 1; use n=2"):
            whole("n", value, do="use n=2")
