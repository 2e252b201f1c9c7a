"""The plots show the numbers that they are of."""

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import pde
from pde.polynomials import roots_of
from pde.spectra import spectrum
from unified import ArgumentError, MapCorrection, Relaxation, backslash, chebyshev_roots, fmg, polynomial
from unified.app import figures
from unified.roots import residual_polynomial

P = pde.Poisson((15, 31))
MG = pde.multigrid(P)
SOLUTION = pde.solve(P, torch.ones(15, 31, dtype=torch.float64), mg=MG)


def line(ax, label):
    """The points of the line so labelled: (n, 2)."""
    (found,) = [one for one in ax.get_lines() if one.get_label().startswith(label)]
    return found.get_xydata()


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.mark.parametrize(
    ("plot", "thing"), [(pde.plot_convergence, SOLUTION), (pde.plot_hierarchy, MG), (pde.plot_spectrum, MG)]
)
def test_given_axes_are_used_and_others_made_and_no_style_is_changed(plot, thing, ax, tmp_path):
    before = dict(mpl.rcParams)
    assert plot(thing, ax=ax) is ax
    new = plot(thing)
    assert isinstance(new.figure, Figure)
    assert new.figure is not ax.figure
    new.figure.savefig(tmp_path / "new.png")
    assert (tmp_path / "new.png").stat().st_size > 10_000
    assert dict(mpl.rcParams) == before
    with pytest.raises(ArgumentError, match=r"^ax: got Figure; expected an Axes"):
        plot(thing, ax=ax.figure)
    with pytest.raises(ArgumentError, match="got str"):
        plot("thing")


def test_colours_are_those_of_the_report():
    from pde import plots

    names = ("BLUE", "ORANGE", "GREEN", "GREY")
    assert [getattr(plots, name) for name in names] == [getattr(figures, name) for name in names]


def test_no_pyplot_and_no_screen():
    code = (
        "import sys, pde\n"
        "pde.plot_hierarchy(pde.multigrid(pde.Poisson((7, 7)))).figure.savefig(sys.argv[1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, "/dev/null"], check=True, capture_output=True)


# --- convergence


def test_convergence_shows_the_residuals():
    other = pde.solve(P, torch.ones(15, 31, dtype=torch.float64), method="mg", max_cycles=2)
    ax = pde.plot_convergence([SOLUTION, other])
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(line(ax, "fmg, rate 0."), list(enumerate(SOLUTION.residuals)))
    np.testing.assert_array_equal(line(ax, "mg, rate 0."), list(enumerate(other.residuals)))
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == [f"fmg, rate {SOLUTION.rate:.3f}", f"mg, rate {other.rate:.3f}, maximum cycles"]
    (cross,) = [one for one in ax.get_lines() if one.get_marker() == "X"]
    assert cross.get_xydata().tolist() == [[2, other.residuals[2]]]


def test_labels():
    ax = pde.plot_convergence(iter([SOLUTION, SOLUTION]), labels=("a", "b"))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert pde.plot_convergence(SOLUTION, labels="").get_legend() is None


def test_convergence_without_a_positive_residual(ax):
    solution = pde.solve(P, P.zeros())
    pde.plot_convergence(solution, ax=ax).figure.savefig("/dev/null", format="png")
    assert np.isnan(line(ax, "fmg, no cycle")[:, 1]).all()


@pytest.mark.parametrize("solution", [[], [SOLUTION, None], 3])
def test_convergence_of_what_is_no_solution(solution):
    with pytest.raises(ArgumentError, match=r"^solution: got .+; expected a Solution"):
        pde.plot_convergence(solution)


@pytest.mark.parametrize("labels", [[], ["a", "b"], [3], 3])
def test_labels_that_do_not_fit(labels):
    with pytest.raises(ArgumentError, match=r"^labels: got .+; expected 1 of them"):
        pde.plot_convergence([SOLUTION], labels=labels)


# --- hierarchy


def test_hierarchy_shows_grids_and_path():
    ax = pde.plot_hierarchy(pde.multigrid(pde.Poisson((15, 7)), coarsest=9))
    rows = [text.get_text() for text in ax.get_yticklabels()]
    assert rows[0] == "level 0: 15 × 7\n105 unknowns, h = 0.0625 × 0.125"
    assert rows[2] == "level 2: 3 × 3\n9 unknowns, h = 0.25"
    way = [(0, 0), (1, 1), (1, 1), (2, 2), (2, 2), (3, 1), (3, 1), (4, 0)]
    points = line(ax, "restrict")
    np.testing.assert_array_equal(points[~np.isnan(points[:, 0])], way)
    assert line(ax, "smooth, way down").tolist() == [[0, 0], [1, 1]]
    assert line(ax, "solve").tolist() == [[2, 2]]
    assert line(ax, "smooth, way up").tolist() == [[3, 1], [4, 0]]
    assert "grid complexity 1.552, operator complexity 1.520" in ax.get_title(loc="left")


@pytest.mark.parametrize("program", ["V", "W", "F", "fmg", "backslash", fmg(4, "W", 2), backslash(2)])
def test_every_operation_is_drawn(program):
    mg = pde.multigrid(pde.Poisson((31, 31)), program)
    ax = pde.plot_hierarchy(mg)
    marks = {"pre": "smooth, way down", "post": "smooth, way up", "solve": "solve"}
    labels = [one.get_label() for one in ax.get_lines()]
    for kind, label in marks.items():
        levels = [op.level for op in mg.program if op.kind == kind]
        assert (label in labels) == bool(levels)
        assert not levels or line(ax, label)[:, 1].tolist() == levels
    jumps = sum(op.kind == "interpolate" for op in mg.program)
    assert ("interpolate" in labels) == bool(jumps)
    assert not jumps or len(line(ax, "interpolate")) == 3 * jumps  # two ends and a gap
    assert ax.get_xlabel().endswith("in their order")
    ax.figure.savefig("/dev/null", format="png")


# --- spectrum


def jumps(n):
    """1 or 10⁴ in every cell."""
    return 10 ** (4 * torch.rand(n, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64).round())


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((9,), {}),
        ((7, 4), {"c": 30.0}),
        ((3, 4, 5), {}),
        ((6, 7), {"bc": "periodic", "a": (1.0, 3.0)}),
        ((6, 7), {"bc": ("periodic", "dirichlet"), "order": 4}),
        ((5, 6), {"bc": "neumann"}),
        ((5, 6), {"a": jumps(7)[:6]}),
    ],
    ids=["1d", "2d", "3d", "periodic", "compact", "neumann", "jumps"],
)
def test_eigenvalues(shape, options):
    A = pde.Poisson(shape, **options).operator()
    matrix, D = A.to_scipy().toarray(), np.diag(A.to_scipy().diagonal())
    size = float(A.diagonal.max())
    np.testing.assert_allclose(spectrum(A).values, np.linalg.eigvalsh(matrix), atol=1e-11 * size)
    scaled = np.sort(np.linalg.eigvals(np.linalg.solve(D, matrix)).real)
    np.testing.assert_allclose(spectrum(A, 1 / A.diagonal).values, scaled, atol=1e-11)
    assert spectrum(A).hi >= spectrum(A).values[-1] * (1 - 1e-14)


def test_some_eigenvalues():
    A = pde.Poisson((30, 40)).operator()
    found, some = spectrum(A).values, spectrum(A, most=100).values
    assert len(some) <= 100
    assert some[[0, -1]] == pytest.approx(found[[0, -1]], rel=1e-14)
    assert np.isclose(some[:, None], found, rtol=1e-12).any(1).all()


def test_ritz_values_of_a_large_matrix():
    A = pde.Poisson((40, 40), a=jumps(41)).operator()
    found = spectrum(A, 1 / A.diagonal)
    assert found.kind == "Ritz values"
    assert 0 < found.values[0] < 0.01
    assert 1.98 < found.values[-1] <= found.hi == 2


@pytest.mark.parametrize("level", [0, 1])
def test_spectrum_shows_eigenvalues_polynomial_and_roots(level):
    ax = pde.plot_spectrum(MG, level=level)
    grid = MG.grids[level]
    radius = grid.A.bounds[0]
    roots = np.sort(chebyshev_roots(4, radius, 0.15 * radius, kind=1))
    eigenvalues = np.linalg.eigvalsh(grid.A.to_scipy().toarray())
    np.testing.assert_allclose(line(ax, "eigenvalues")[:, 0], eigenvalues, rtol=1e-10)
    curve = line(ax, "|p(λ)|")
    assert curve[[0, -1], 0].tolist() == [0, radius]
    np.testing.assert_allclose(curve[:, 1], abs(residual_polynomial(roots, curve[:, 0])), atol=1e-14)
    np.testing.assert_allclose(line(ax, "roots"), [(rho, 0) for rho in roots], rtol=1e-14)
    (span,) = ax.patches
    left, right = span.get_xy()[0], span.get_xy()[0] + span.get_width()
    axes = zip(grid.shape, grid.h, strict=True)
    lines = [4 / h**2 * np.sin(np.pi * np.arange(1, n + 1) / (2 * n + 2)) ** 2 for n, h in axes]
    modes = np.add.outer(*lines)  # half-waves from 1 on both axes; the next grid sees as many as it has points
    i, j = MG.grids[level + 1].shape  # on level 0 all of the first axis: it is not coarsened
    unseen = [*modes[i:].ravel(), *modes[:, j:].ravel()]
    assert (left, right) == pytest.approx((min(unseen), radius))


def test_how_much_is_left_is_the_smoothing_factor():
    ax = pde.plot_spectrum(pde.multigrid(pde.Poisson((255, 255)), smoother="jacobi", degree=1))
    (name,) = [one.get_label() for one in ax.patches]
    assert name == "to be smoothed: |p| ≤ 0.600"  # Trottenberg et al. 2001, 2.1: 3/5 at ω = 4/5


def test_many_eigenvalues_are_thinned():
    ax = pde.plot_spectrum(pde.multigrid(pde.Poisson((63, 63))))
    assert len(line(ax, "eigenvalues, 1000 of 3,969")) == 1000


def test_roots_many_times_and_complex_ones():
    radius = P.operator().bounds[0]
    ax = pde.plot_spectrum(pde.multigrid(P, smoother=[0.4, 0.7 + 0.1j, 0.7 - 0.1j, 0.4]))
    assert [note.get_text() for note in ax.texts] == ["× 2", "(0.7 ± 0.1i) λmax"]
    np.testing.assert_allclose(line(ax, "roots"), [(0.4 * radius, 0)])
    height = (1 - 0.7 / 0.4) ** 2 * (1 - 1.4 * 0.7 / 0.5 + 0.7**2 / 0.5)
    np.testing.assert_allclose(line(ax, "complex roots"), [(0.7 * radius, height)])


@pytest.mark.parametrize(
    ("shape", "options", "label"),
    [
        ((12, 12), {"a": jumps(13)}, "eigenvalues"),
        ((12, 12), {"bc": "neumann"}, "eigenvalues"),
        ((40, 40), {"a": jumps(41)}, "Ritz values, 60 of 1,600"),
    ],
    ids=["jumps", "neumann", "large"],
)
def test_where_the_diagonal_varies_it_is_the_spectrum_of_the_scaled_matrix(shape, options, label):
    mg = pde.multigrid(pde.Poisson(shape, **options), smoother="chebyshev4", pre=2)
    ax = pde.plot_spectrum(mg)
    assert ax.get_xlabel() == "eigenvalue λ of D⁻¹A"
    assert not ax.patches  # what the next grid does not see is not known
    np.testing.assert_allclose(line(ax, "roots")[:, 0], chebyshev_roots(2, mg.A.bounds[1]))
    np.testing.assert_array_equal(line(ax, label)[:, 0], spectrum(mg.A, 1 / mg.A.diagonal).values)


def test_a_batch_of_coefficients_has_no_one_spectrum():
    A = pde.Poisson((12, 12), a=torch.stack([jumps(13), 2 * jumps(13)])).operator()
    with pytest.raises(ArgumentError, match="mg: got a batch of coefficients; expected one operator"):
        spectrum(A)


@pytest.mark.parametrize("level", [-1, 4, 0.0, True, "0"])
def test_a_level_that_is_none(level):
    with pytest.raises(ArgumentError, match=r"^level: got"):
        pde.plot_spectrum(MG, level=level)


def test_what_has_no_polynomial():
    with pytest.raises(ArgumentError, match=r"^level: got 0, which smooths nothing"):
        pde.plot_spectrum(pde.multigrid(P, pre=0, post=0))
    for odd in (Relaxation(1, MapCorrection(torch.nn.Identity())), polynomial([1.0], psi=torch.nn.ReLU())):
        with pytest.raises(ArgumentError, match=r"^smoother: got Relaxation; expected a polynomial"):
            pde.plot_spectrum(pde.multigrid(P, smoother=lambda p, odd=odd: odd))
    with pytest.raises(ArgumentError, match=r"^smoother: got (Relaxation|Sweeps); expected a polynomial"):
        pde.plot_spectrum(pde.multigrid(P, smoother="redblack"))


def test_the_smoother_drawn():
    """That of the way down, as often as it is applied; that of the way up, if there is no other."""
    roots = sorted(chebyshev_roots(2, P.operator().bounds[0]))
    for pre, post, times in ((1, 2, 1), (3, 1, 3), (0, 2, 2)):
        found = roots_of_drawn(pde.multigrid(P, smoother="chebyshev4", pre=pre, post=post))
        assert found == pytest.approx(sorted(roots * times))


def roots_of_drawn(mg):
    ax = pde.plot_spectrum(mg)
    times = [int(note.get_text()[2:]) for note in ax.texts] or [1, 1]
    return sorted(np.repeat(line(ax, "roots")[:, 0], times))


def test_roots_are_found_again():
    roots = [3.0, 1 + 2j, 1 - 2j, 5.0]
    np.testing.assert_allclose(np.sort_complex(roots_of(polynomial(roots))), np.sort_complex(roots), rtol=1e-14)
    one = polynomial([2.0])
    np.testing.assert_array_equal(roots_of(Relaxation(3, one.B[0])), [2, 2, 2])
    trained = polynomial([2.0], trainable=True)
    np.testing.assert_allclose(roots_of(trained), [2])
