"""Seamless cloning: what the equation promises, on small pictures."""

import pytest
import torch

from unified.app import photographs
from unified.app.editing import clone, divergence, guidance

SHAPE = (3, 33, 49)


@pytest.fixture
def target():
    return torch.rand(*SHAPE, dtype=torch.float64)


@pytest.fixture
def mask():
    """A lopsided blob."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, SHAPE[1]), torch.linspace(-1, 1, SHAPE[2]), indexing="ij")
    return (x - 0.2) ** 2 + (y + 0.1 * x) ** 2 < 0.3


def nowhere():
    return torch.zeros(SHAPE[1:], dtype=torch.bool)


def everywhere():
    return torch.ones(SHAPE[1:], dtype=torch.bool)


def edges(picture):
    return picture.diff(dim=-2), picture.diff(dim=-1)


def test_divergence_of_a_gradient_is_the_five_point_laplacian(target):
    inner = target[:, 1:-1, 1:-1]
    around = target[:, :-2, 1:-1] + target[:, 2:, 1:-1] + target[:, 1:-1, :-2] + target[:, 1:-1, 2:]
    torch.testing.assert_close(divergence(edges(target)), around - 4 * inner)


def test_boundary_is_the_targets(target, mask):
    picture, _ = clone(target, torch.rand_like(target), mask, nowhere())
    frame = torch.ones(SHAPE[1:], dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    assert torch.equal(picture[:, frame], target[:, frame])


@pytest.mark.parametrize("offset", [0.0, 0.4, torch.tensor([0.3, -0.2, 5.0]).double().view(3, 1, 1)], ids=str)
def test_a_source_of_the_same_gradient_changes_nothing(target, mask, offset):
    picture, solution = clone(target, target + offset, mask, ~mask, rtol=1e-12)
    assert solution.result.ok
    torch.testing.assert_close(picture, target, rtol=0, atol=2e-11)


def test_source_everywhere_with_the_targets_frame_is_the_source(target):
    source = target + 0.25  # so v is the source's gradient, and the frame decides the constant
    picture, _ = clone(target, source, everywhere(), nowhere(), rtol=1e-12)
    torch.testing.assert_close(picture, source - 0.25, rtol=0, atol=2e-11)


def test_the_laplacian_is_the_sources_inside_and_the_targets_outside(target, mask):
    source = torch.rand_like(target)
    picture, _ = clone(target, source, mask, nowhere(), rtol=1e-12)
    got = divergence(edges(picture))
    depth = torch.nn.functional.avg_pool2d(mask[None, None].double(), 3, 1)[0, 0]  # of the inner pixels' surroundings
    for picture_of, region in ((source, depth == 1), (target, depth == 0)):
        expected = divergence(edges(picture_of))
        assert region.any()
        torch.testing.assert_close(got[:, region], expected[:, region], rtol=0, atol=1e-9)


def test_gradient_inside_is_reproduced_where_only_a_step_at_the_rim_is_missing():
    # on a flat target a flat patch's rim is all of v: u has the gradient of the pasted patch, to the last edge
    target = torch.full(SHAPE, 0.5, dtype=torch.float64)
    source = torch.zeros(SHAPE, dtype=torch.float64)
    source[:, 10:20, 15:30] = torch.rand(3, 10, 15, dtype=torch.float64)
    own = nowhere()
    own[10:20, 15:30] = True
    picture, _ = clone(target, source, own, nowhere(), rtol=1e-12)
    for got, expected in zip(edges(picture), edges(source), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)


def test_mixed_edges_are_the_stronger_of_the_two(target):
    source = 0.7 * torch.rand_like(target)
    for v, t, s in zip(guidance(target, source, nowhere(), everywhere()), edges(target), edges(source), strict=True):
        torch.testing.assert_close(v.norm(dim=0), torch.maximum(t.norm(dim=0), s.norm(dim=0)))
        assert bool(((v == t).all(0) | (v == s).all(0)).all())


def test_a_mixed_flat_source_is_no_source(target, mask):
    for got, expected in zip(guidance(target, torch.zeros_like(target), nowhere(), mask), edges(target), strict=True):
        assert torch.equal(got, expected)


def test_own_comes_before_mixed(target):
    source = torch.zeros_like(target)
    assert all(not v.any() for v in guidance(target, source, everywhere(), everywhere()))


def test_channels_are_solved_as_each_alone(target, mask):
    source = torch.rand_like(target)
    together, _ = clone(target, source, mask, nowhere(), rtol=1e-12)
    alone, _ = clone(target[1:2], source[1:2], mask, nowhere(), rtol=1e-12)
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-10)


def test_a_picture_of_any_size():
    odd = torch.rand(1, 100, 77, dtype=torch.float64)
    no = torch.zeros(100, 77, dtype=torch.bool)
    assert clone(odd, odd, no, no)[0].shape == odd.shape


@pytest.mark.parametrize("reduction", [4, 8])
def test_scene_fits_the_solver_and_its_frame(reduction):
    scene = photographs.scene(reduction)
    h, w = ((n - 1) // reduction + 1 for n in photographs.SHAPE)
    assert scene.target.shape == scene.source.shape == scene.pasted.shape == (3, h, w)
    assert scene.own.shape == scene.mixed.shape == (h, w)
    frame = torch.ones(h, w, dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    assert not (scene.own & frame).any()
    assert all(0.04 < float(mask.double().mean()) < 0.12 for mask in (scene.own, scene.mixed))
    assert torch.equal(scene.pasted[:, ~scene.mixed], scene.target[:, ~scene.mixed])
    # where nothing is cloned the picture hardly moves
    picture, solution = clone(scene.target, scene.source, scene.own, scene.mixed)
    assert solution.result.ok
    untouched = ~(scene.own | scene.mixed)
    assert float((picture - scene.target)[:, untouched].abs().mean()) < 0.05
