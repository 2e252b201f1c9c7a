"""What `inspect` says of a network: polynomials, spectra of the smoothing, residuals, figures, files."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import vision
from tests.vision.test_symbols import distance, periodic_matrix
from unified import ArgumentError, Factor, Level, Pair, Relaxation, residual_polynomial
from vision.augment import normalise
from vision.blocks import conv, conv_bn_relu, head
from vision.inspect_files import write_inspection
from vision.mosaic import Colours, mosaic, photographs
from vision.polynomial import residual_polynomial_of
from vision.symbols import kernel

PLAIN = {"placement": "plain", "residual": "plain", "roots": "uniform"}
CHANNELS = {**PLAIN, "factors": ("linear", "double"), "channel_roots": True}


@pytest.fixture(scope="module")
def data():
    return vision.load("digits")


def network(*parts, channels=4):
    """An MgNet of one level a smoother."""
    levels = [Level(A, smoother, R=nn.ReLU(), Pi=nn.Identity()) for A, smoother in parts]
    return vision.MgNet(conv_bn_relu(1, channels), levels, head(channels, 10), smallest=4)


def poly(**options):
    return vision.polymgnet((1, 2), (4, 8), in_channels=1, **options)


def trained(model):
    """bn that does something: statistics and weights that are not 0 and 1."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                nn.init.uniform_(tensor, 0.5, 1.5)
            nn.init.normal_(module.bias)
    return model


def test_roots_are_those_of_the_factors():
    B = [Factor.root(2.0), Factor.pair(1.0, 0.5), Pair(-1.0, 2.0), Pair(3.0, None), Factor(None, -0.25), Factor(0.0)]
    polynomial = residual_polynomial_of(Relaxation(len(B), B))
    want = np.array([2, 1 + 0.5j, 1 - 0.5j, -1 + 2j, -1 - 2j, 3, 3, 2, -2])
    (roots,) = polynomial.roots
    assert distance(roots, want) < 1e-6
    assert np.count_nonzero(roots.imag == 0) == 5  # a double root is real, not a pair that rounding made
    lam = np.linspace(-1, 3, 7) + 0.3j
    np.testing.assert_allclose(polynomial(lam)[0], residual_polynomial(want, lam), rtol=1e-6)


def test_factors_are_repeated_as_the_smoother_does():
    (roots,) = residual_polynomial_of(Relaxation(4, [Factor.root(2.0), Factor.root(5.0)])).roots
    assert sorted(roots.real) == [2, 2, 5, 5]


def test_roots_of_each_channel_make_a_polynomial_each():
    smoother = Relaxation(2, [Factor.root(torch.tensor([1.0, 2, 4]).view(3, 1, 1)), Factor.root(8.0)])
    polynomial = residual_polynomial_of(smoother)
    assert [sorted(roots.real) for roots in polynomial.roots] == [[1, 8], [2, 8], [4, 8]]
    np.testing.assert_allclose(polynomial([1.0, 2.0]), [[0, -0.75], [0.4375, 0], [0.65625, 0.375]])


def test_bn_or_relu_inside_is_left_out():
    options = {"factors": ("quadratic",), "roots": "uniform"}
    smoother = vision.polynomial_smoother(conv(4, 4), 4, placement="inside", **options)
    (roots,) = residual_polynomial_of(smoother).roots
    a, b = smoother.B[0].correction.a.item(), smoother.B[0].correction.b.item()
    assert distance(roots, np.array([complex(a, b), complex(a, -b)])) < 1e-6


SMOOTHERS = {
    "polynomial": lambda A: vision.polynomial_smoother(A, 4, 2, factors=("linear", "quadratic"), **PLAIN),
    "each channel": lambda A: vision.polynomial_smoother(A, 4, **CHANNELS),
    "one B": lambda A: vision.mgnet((2,), 4, in_channels=1).levels[0].pre_smoother,
    "a B each": lambda A: vision.mgnet((3,), 4, in_channels=1, share_B=False).levels[0].pre_smoother,
}


@pytest.mark.parametrize("name", SMOOTHERS)
def test_the_smoothing_has_the_eigenvalues_of_the_dense_periodic_one(name, data):
    """∏ (I - A B) on an 8 x 8 torus, with B written out."""
    A = conv(4, 4, gain=1.0)
    smoother = SMOOTHERS[name](A)
    for B in smoother.B:
        if name == "each channel":
            for p in B.parameters():
                nn.init.uniform_(p, -1, 1)
    (level,) = vision.inspect(network((A, smoother)), data, images=2).levels
    dense = periodic_matrix(kernel(A, 4), (8, 8))
    want = one = torch.eye(len(dense), dtype=torch.float64)
    for step in range(smoother.steps):
        B = smoother.B[step % len(smoother.B)]
        if name in ("one B", "a B each"):
            correction = periodic_matrix(kernel(B.map, 4), (8, 8))
        elif isinstance(B, Pair):
            correction = (2 * B.a.double() * one - dense) / (B.a.double() ** 2 + B.b.double() ** 2)
        else:
            c1, c2 = (torch.zeros(4) if c is None else c.detach().double().flatten().expand(4) for c in (B.c1, B.c2))
            correction = (
                torch.diag(c1.repeat_interleave(64)).double() - torch.diag(c2.repeat_interleave(64)).double() @ dense
            )
        want = want - dense @ correction @ want
    want = torch.linalg.eigvals(want.detach()).numpy()
    assert distance(level.after.smoothing, want) <= 1e-8 * abs(want).max()
    assert level.after.as_dict()["smoothing_radius"] == pytest.approx(abs(want).max(), rel=1e-8)
    assert distance(level.after.A, torch.linalg.eigvals(dense).numpy()) < 1e-10


@pytest.mark.parametrize(
    "make",
    [
        lambda: vision.mgnet((2, 3), 4, in_channels=1),
        lambda: vision.mgnet((2, 1), (4, 8), data_channels=(6, 4), in_channels=1, constraint="nonlinear"),
        lambda: poly(factors="g6", roots="uniform"),
        lambda: poly(placement="relu-outside", share_roots=True),
    ],
    ids=["mgnet", "nonlinear", "polymgnet", "tau"],
)
def test_residuals_are_those_of_the_network(make, data):
    """The last step is the state that the network itself reaches; the steps between are those of fewer steps."""
    model = trained(make()).eval()
    found = vision.inspect(model, data, images=3)
    images = data.test_images[[0, 179, 358]]
    states = model.run(model.encode(normalise(images, data.mean, data.std)))
    for level, inspected, state in zip(model.levels, found.levels, states, strict=True):
        size = state.f.flatten(1).norm(dim=1)
        start = torch.zeros_like(state.u) if state.u0 is None else state.u0
        after = (state.f - level.A(state.u)).flatten(1).norm(dim=1) / size
        before = (state.f - level.A(start)).flatten(1).norm(dim=1) / size
        assert inspected.residuals.shape == (3, level.pre_smoother.steps + 1)
        torch.testing.assert_close(inspected.residuals[:, -1].float(), after, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(inspected.residuals[:, 0].float(), before, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(inspected.states["u"], state.u)
        torch.testing.assert_close(inspected.states["f"], state.f)


def test_each_step_of_a_linear_smoother_multiplies_by_its_factor(data):
    A = nn.Identity()  # λ = 1: a root ρ leaves 1 - 1/ρ
    roots = [2.0, 4.0, -1.0]
    (level,) = vision.inspect(network((A, Relaxation(3, [Factor.root(rho) for rho in roots]))), data).levels
    want = np.cumprod([1, *(abs(1 - 1 / rho) for rho in roots)])
    np.testing.assert_allclose(level.quartiles(), np.tile(want, (3, 1)), rtol=1e-6)
    assert level.after.as_dict() == {
        "radius": 1.0,
        "real": [1.0, 1.0],
        "imaginary": 0.0,
        "roots": [[[2.0, 0.0], [4.0, 0.0], [-1.0, 0.0]]],
        "smoothing_radius": pytest.approx(0.75),
    }


def test_the_data_space_form_has_the_same_inside(data):
    model = trained(poly(factors="g4"))
    found, other = vision.inspect(model, data, images=5), vision.inspect(vision.data_space(model), data, images=5)
    for a, b in zip(found.levels, other.levels, strict=True):
        torch.testing.assert_close(a.residuals, b.residuals)
        np.testing.assert_array_equal(a.after.smoothing, b.after.smoothing)


def test_a_preact_resnet_is_read_as_an_mgnet(data):
    resnet = vision.preact_resnet((1, 2), (4, 8), in_channels=1)
    found = vision.inspect(resnet, data, images=4)
    levels = vision.as_mgnet(resnet).levels
    assert [level.steps for level in found.levels] == [1] * len(levels)
    A = torch.linalg.eigvals(periodic_matrix(kernel(levels[0].A, 4), (8, 8))).numpy()
    assert distance(found.levels[0].after.A, A) < 1e-10


def test_inspecting_changes_nothing(data):
    model = trained(poly())
    model.train()
    model.levels[0].eval()
    modes = [module.training for module in model.modules()]
    weights = {name: t.clone() for name, t in model.state_dict().items()}
    vision.inspect(model, data, before=model, images=3)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(t, weights[name]) for name, t in model.state_dict().items())


def test_the_initial_model_is_what_training_started_from(tmp_path, data):
    config = vision.TrainConfig(epochs=1, seed=7, batch_size=64)
    torch.manual_seed(7)  # as `vcycle train` does
    model = vision.create_model("polymgnet-q2", in_channels=1, steps=(1, 1), channels=(4, 8), roots="uniform")
    start = {name: t.clone() for name, t in model.state_dict().items()}
    vision.fit(model, data.subset(64), config, folder=tmp_path, progress=False)
    _, meta = vision.load_model(tmp_path / "last.safetensors")
    state = torch.get_rng_state()
    again = vision.initial_model(meta).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(t, again[name]) for name, t in start.items())


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (lambda: vision.resnet((1, 1), (4, 8), in_channels=1), {}, "model: got a ResNet, which has no levels"),
        (lambda: vision.dense_mgnet((1, 1), 4, in_channels=1), {}, "model: got a DenseMgNet, which has no levels on a"),
        (lambda: network((conv(4, 4), None)), {}, "levels[0].pre_smoother: got NoneType; expected a Relaxation"),
        (poly, {"images": 0}, "images: got 0; expected a whole number >= 1"),
        (poly, {"split": "valid"}, "split: got 'valid' of ImageData(digits"),
        (poly, {"before": nn.Identity()}, "model: got a Identity"),
    ],
)
def test_bad_input_is_named(model, options, message, data):
    with pytest.raises(ArgumentError) as error:
        vision.inspect(model(), data, **options)
    assert str(error.value).startswith(message)


def titles(figure):
    return " | ".join(ax.get_title(loc="left") for ax in figure.axes)


@pytest.fixture(scope="module")
def found(data):
    """A level of each kind: a polynomial, one a channel, convolutions; with a state before training."""
    torch.manual_seed(0)

    def make():
        A, C = conv(4, 4, gain=1.0), conv(4, 4, gain=1.0)
        far = Relaxation(2, [Factor.root(0.5), Factor.root(40.0)])
        return network(
            (A, far),
            (C, vision.polynomial_smoother(C, 4, **CHANNELS)),
            (conv(4, 4), SMOOTHERS["one B"](None)),
            (nn.Sequential(conv(4, 4), nn.ReLU()), SMOOTHERS["one B"](None)),
        )

    return vision.inspect(make(), data, before=make(), images=6)


def test_spectra_are_drawn_with_the_roots(found):
    figure = vision.plot_spectra(found)
    figure.draw_without_rendering()
    assert len(figure.axes) == 4
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "."]
    np.testing.assert_array_equal(dots[-1].get_xdata(), found.levels[0].after.A.real)
    assert "roots outside: 40" in figure.axes[0].get_title(loc="left")
    assert "A without its relu" in figure.axes[3].get_title(loc="left")
    assert [text.get_text() for text in figure.legends[0].get_texts()][2:] == ["roots after training", "before"]


def test_what_smoothing_leaves_is_drawn_for_each_kind(found):
    figure = vision.plot_smoothing(found)
    figure.draw_without_rendering()
    said = titles(figure)
    most = abs(found.levels[0].after.smoothing).max()
    assert f"level 0, after training: |q(λ)|\non A's eigenvalues at most {most:.3g}" in said
    assert "level 1, before training: median |q(λ)|" in said
    assert "level 2, after training: no polynomial in A\neigenvalues of ∏ (I - A B), 2 steps" in said


def test_states_and_residuals_are_drawn(found):
    states, residuals = vision.plot_states(found), vision.plot_residuals(found)
    assert [len(ax.images) for ax in states.axes[:4]] == [1] * 4
    (ax,) = residuals.axes
    medians = [line.get_ydata() for line in ax.lines if line.get_marker() == "o"]
    assert len(medians) == 4
    for level, median in zip(found.levels, medians, strict=True):
        np.testing.assert_allclose(median, np.median(level.residuals.numpy(), axis=0))


def test_files_are_whole_or_not_there(found, tmp_path):
    written = write_inspection(found, tmp_path / "new" / "folder")
    names = ["spectra.png", "smoothing.png", "states.png", "residuals.png", "inspect.json"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(names)
    report = json.loads(written[-1].read_text())
    assert report == found.as_dict()
    assert report["levels"][0]["after"]["roots"][0] == [[0.5, 0.0], [pytest.approx(40), 0.0]]
    assert len(report["levels"][1]["after"]["roots"]) == 4
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match=r"file/spectra\.png: got .*; expected a folder that takes"):
        write_inspection(found, tmp_path / "file")


def test_what_has_no_picture_is_left_out(tmp_path, data):
    """A from 4 to 6 channels has no eigenvalues; its smoothing, of the residual, has; another map may have neither."""
    model = vision.mgnet((1,), 4, data_channels=6, in_channels=1)
    rectangular = vision.inspect(model, data, images=2)
    assert rectangular.levels[0].after.A is None
    assert len(rectangular.levels[0].after.smoothing) == 6 * 64
    assert "smoothing.png" in [path.name for path in write_inspection(rectangular, tmp_path)]
    unknown = vision.inspect(network((nn.GELU(), Relaxation(1, Factor(1.0)))), data, images=2)
    names = [path.name for path in write_inspection(unknown, tmp_path / "b")]
    assert names == ["states.png", "residuals.png", "inspect.json"]


def test_colours_are_the_main_directions():
    x = torch.zeros(2, 5, 4, 4)
    x[:, 3] = torch.randn(2, 4, 4)  # all variance is in one channel: red
    (first, second) = Colours(x)(x)
    assert first.shape == (4, 4, 3)
    assert (first[..., 1:] == 0.5).all()
    both = np.concatenate([first[..., 0].ravel(), second[..., 0].ravel()])
    assert (np.argsort(both, kind="stable")[5:-5] == np.argsort(x[:, 3].numpy().ravel(), kind="stable")[5:-5]).all()
    assert (Colours(x[:, :1])(torch.zeros(1, 1, 4, 4))[0] == 0.5).all()


def test_a_mosaic_has_every_pixel_and_white_between():
    black = np.zeros((2, 3, 3))
    whole = mosaic([[black, black]], side=6, gap=2)
    assert whole.shape == (6, 14, 3)
    assert whole[:, 6:8].min() == 1
    assert whole[:, :6].max() == 0
    assert photographs(torch.full((1, 4, 2, 2), 255, dtype=torch.uint8))[0].shape == (2, 2, 3)


def test_a_state_of_zeros_is_no_division_by_zero(data):
    model = network((conv(4, 4), Relaxation(1, Factor(1.0))))
    nn.init.zeros_(model.stem[1].weight)
    found = vision.inspect(model, data, images=2)
    assert found.levels[0].residuals.eq(0).all()


def test_a_sample_of_the_frequencies_is_said(monkeypatch, data):
    monkeypatch.setattr("vision.symbols.LIMIT", 10 * 4**3)
    found = vision.inspect(vision.mgnet((1,), 4, in_channels=1), data, images=2)
    assert found.as_dict()["levels"][0]["frequencies"] == {"grid": [4, 4], "computed": 10}
    assert titles(vision.plot_spectra(found)).endswith("16 of 64 frequencies, those of 4 × 4")
