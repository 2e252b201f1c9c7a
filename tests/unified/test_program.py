"""Programs as literal strings, their pictures and their cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unified import ArgumentError, Op, backslash, cycle, draw, fmg, work_units
from unified.program import named, validate

V = "pre0 down0 pre1 down1 pre2 down2 solve3 up2 post2 up1 post1 up0 post0"
W = (
    "pre0 down0 "
    "pre1 down1 pre2 down2 solve3 up2 post2 pre2 down2 solve3 up2 post2 up1 post1 "
    "pre1 down1 pre2 down2 solve3 up2 post2 pre2 down2 solve3 up2 post2 up1 post1 "
    "up0 post0"
)
F = (
    "pre0 down0 "
    "pre1 down1 pre2 down2 solve3 up2 post2 pre2 down2 solve3 up2 post2 up1 post1 "
    "pre1 down1 pre2 down2 solve3 up2 post2 up1 post1 "
    "up0 post0"
)
BACKSLASH = "pre0 down0 pre1 down1 pre2 down2 pre3"
FMG = (
    "down0 down1 down2 solve3 "
    "interpolate2 pre2 down2 solve3 up2 post2 "
    "interpolate1 pre1 down1 pre2 down2 solve3 up2 post2 up1 post1 "
    "interpolate0 pre0 down0 pre1 down1 pre2 down2 solve3 up2 post2 up1 post1 up0 post0"
)
PROGRAMS = {"V": V, "W": W, "F": F, "backslash": BACKSLASH, "fmg": FMG}


@pytest.mark.parametrize("name", PROGRAMS)
def test_trace_on_four_levels(name):
    assert " ".join(map(str, named(name, 4))) == PROGRAMS[name]


def test_one_level_is_only_solved():
    assert cycle("V", 1) == cycle("W", 1) == cycle("F", 1) == fmg(1) == (Op("solve", 0),)
    assert backslash(1) == (Op("pre", 0),)


def test_two_levels_solve_once_in_every_cycle():
    assert cycle("V", 2) == cycle("W", 2) == cycle("F", 2)


def test_fmg_repeats_its_cycles():
    assert " ".join(map(str, fmg(2, "W", cycles=2))) == (
        "down0 solve1 interpolate0 pre0 down0 solve1 up0 post0 pre0 down0 solve1 up0 post0"
    )


@given(st.integers(2, 9))
def test_number_of_coarse_solves(n):
    def solves(kind):
        return sum(op.kind == "solve" for op in cycle(kind, n))

    assert (solves("V"), solves("W"), solves("F")) == (1, 2 ** (n - 2), n - 1)


@given(st.sampled_from(sorted(PROGRAMS)), st.integers(1, 7))
def test_every_program_is_valid(name, n):
    program = named(name, n)
    assert validate(program, n) == program
    assert validate([tuple(op) for op in program], n) == program


def test_drawing_of_w():
    drawn = draw(cycle("W", 4)).split("\n")
    assert [row.count("o") for row in drawn] == [1, 0, 2, 0, 4, 0, 0]
    assert [row.count("#") for row in drawn] == [0, 0, 0, 0, 0, 0, 4]
    assert draw(cycle("W", 3)) == "\n".join(
        [
            "o            *",
            " \\          /",
            "  o   *o   *",
            "   \\ /  \\ /",
            "    #    #",
        ]
    )


def test_drawing_of_backslash_and_fmg():
    assert draw(backslash(3)) == "o\n \\\n  o\n   \\\n    o"
    assert draw(fmg(2)) == "   o   *\n\\ : \\ /\n #   #"
    assert draw(()) == ""


@given(st.sampled_from(sorted(PROGRAMS)), st.integers(1, 6))
def test_a_drawing_has_one_mark_an_op(name, n):
    picture = draw(named(name, n))
    assert len("".join(picture.split())) == len(named(name, n))
    assert len(picture.split("\n")) == 2 * n - 1


def test_work_units():
    # V with one step: (1 + 1/4 + 1/16) (pre + post + down) = 3 · 21/16
    assert work_units(cycle("V", 4)) == 3 * 21 / 16
    assert work_units(cycle("V", 4), steps=2) == 5 * 21 / 16
    assert work_units(cycle("W", 4)) == 3 * (1 + 2 / 4 + 4 / 16)
    assert work_units(cycle("F", 4)) == 3 * (1 + 2 / 4 + 3 / 16)
    assert work_units(cycle("V", 3), coarsening=8) == 3 * 9 / 8
    assert work_units(backslash(2)) == 2.25
    # the descent of f to all levels costs its residuals here, although the first is f itself
    assert work_units(fmg(3)) == 1 + 1 / 4 + 3 / 4 + 3 * (1 + 1 / 4)


@pytest.mark.parametrize(
    ("ops", "at"),
    [
        ([("pre", 1)], 0),  # does not start on level 0
        ([("pre", 0), ("down", 0), ("pre", 0)], 2),  # is on level 1 by then
        ([("down", 0), ("down", 1)], 1),  # level 2 does not exist
        ([("up", 0)], 0),
        ([("down", 0), ("interpolate", 1)], 1),
        ([("smooth", 0)], 0),
        ([("pre", -1)], 0),
    ],
)
def test_validate_names_the_wrong_op(ops, at):
    with pytest.raises(ArgumentError, match=rf"program\[{at}\]: got {ops[at][0]}{ops[at][1]}; expected"):
        validate(ops, 2)


@pytest.mark.parametrize(
    ("function", "arguments", "argument"),
    [
        (cycle, ("X", 3), "kind"),
        (cycle, ("V", 0), "n_levels"),
        (backslash, (-1,), "n_levels"),
        (cycle, ("V", 2.5), "n_levels"),
        (fmg, (3, "V", 0), "cycles"),
        (fmg, (3, "V", 1.5), "cycles"),
        (validate, (["pre0"], 1), "program"),
        (validate, ([("pre", 0.0)], 1), "program"),
        (validate, (None, 1), "program"),
        (fmg, (3, "X"), "kind"),
        (named, ("U", 3), "program"),
    ],
)
def test_bad_arguments(function, arguments, argument):
    with pytest.raises(ArgumentError) as error:
        function(*arguments)
    assert error.value.argument == argument
