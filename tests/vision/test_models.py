"""Published weight counts, closed formulas, gradients, round trips and capture, over all models."""

import numpy as np
import pytest
import torch
from torch import nn

import vision
from docs.benchmarks.plain_network import PlainNetwork
from tests.vision.runs import descend
from unified import ArgumentError, DataSpaceLevel, testing
from unified.app import models as listing
from unified.spectrum import symbol_radius
from vision.blocks import averaged, conv, depthwise
from vision.network import fewest_products

SMALL = {
    "mgnet": lambda: vision.mgnet((2, 1, 2), 6, in_channels=1),
    "mgnet-li": lambda: vision.mgnet((2, 3), 6, share_B=False),
    "mgnet-cf": lambda: vision.mgnet((2, 2), 6, data_channels=4, classes=3),
    "mgnet-nonlinear": lambda: vision.mgnet((2, 2), 6, constraint="nonlinear"),
    "mgnet-fixed": lambda: vision.mgnet((2, 2), (4, 6), transfers="fixed"),
    "mgnet-mgiad": lambda: vision.mgnet((2, 2), 16, conv="mgiad-4", share_B=False),
    "mgnet-imagenet": lambda: vision.mgnet((1, 2), (4, 6), share_B=False, stem="imagenet"),
    "resnet": lambda: vision.resnet((1, 2), (4, 6)),
    "preact-resnet": lambda: vision.preact_resnet((1, 2), (4, 6), shortcut="padding"),
    "dense": lambda: vision.dense_mgnet((2, 1, 2), (4, 6, 6), share_B=False, classes=2),
    "g6": lambda: vision.polymgnet((1, 1), (4, 8), factors="g6", roots="spectrum"),
    "pair-channels": lambda: vision.polymgnet((2, 1), (4, 8), factors=("quadratic",), channel_roots=True),
    "q2-fixed": lambda: vision.polymgnet((2, 2, 2), (4, 6, 6), transfers="fixed", share_roots=True),
    "q2": lambda: vision.polymgnet((2, 2, 2), (4, 8, 8)),
    "q2-width": lambda: vision.polymgnet(width=1 / 16, in_channels=1),
}
small = pytest.mark.parametrize("make", SMALL.values(), ids=SMALL)


def images(model, size=16, batch=4, dtype=torch.float32):
    channels = next(m for m in model.stem.modules() if isinstance(m, nn.Conv2d)).in_channels
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, size, size, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize(
    ("channels", "share_B", "published"),
    [
        (256, True, 8_278_794),
        (256, False, 10_638_090),
        (128, True, 2_075_018),
        (128, False, 2_664_842),
        (64, True, 521_418),
        (64, False, 668_874),
    ],
)
def test_mgnet_has_the_published_weights(channels, share_B, published):
    assert vision.count_weights(vision.mgnet(channels=channels, share_B=share_B)) == published


def test_q2_has_the_published_weights_without_the_1152_that_are_never_used():
    assert vision.count_weights(vision.create_model("polymgnet-q2")) == 1_386_706 - 1_152 == 1_385_554


@pytest.mark.parametrize("steps", [(1,), (2, 2, 2, 2), (1, 3, 2)])
@pytest.mark.parametrize(("u", "f"), [(6, 6), (6, 4)])
@pytest.mark.parametrize("share_B", [True, False])
def test_mgnet_weights_follow_the_formula_of_its_docstring(steps, u, f, share_B):
    model = vision.mgnet(steps, u, data_channels=f, share_B=share_B, classes=7, in_channels=2)
    L, n, k, c = len(steps), sum(steps), 7, 2
    b = L if share_B else n
    expected = 9 * c * f + 2 * f + 9 * u * f * (L + b) + 2 * n * (u + f)
    expected += (L - 1) * (9 * f**2 + 2 * f + 9 * u**2 + 2 * u) + k * (u + 1)
    assert vision.count_weights(model) == expected


@pytest.mark.parametrize(("steps", "channels"), [((1,), (3,)), ((2, 2, 2), (4, 8, 16)), ((3, 1), (5, 5))])
def test_polymgnet_weights_follow_the_formula_of_its_docstring(steps, channels):
    model = vision.polymgnet(steps, channels, classes=7, in_channels=2)
    expected = 9 * 2 * channels[0] + 2 * channels[0] + 7 * (channels[-1] + 1) + 18 * sum(channels[1:])
    expected += sum(9 * c**2 + n * (4 * c + 1) for n, c in zip(steps, channels, strict=True))
    assert vision.count_weights(model) == expected


@pytest.mark.parametrize("share_B", [True, False])
@pytest.mark.parametrize("transfers", ["learned", "fixed"])
@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_mgnet_weights_follow_the_formula_with_channels_of_each_level(share_B, transfers, stem):
    steps, u, f, k, c = (2, 1, 3), (4, 6, 6), (4, 4, 8), 7, 2
    model = vision.mgnet(
        steps, u, data_channels=f, share_B=share_B, transfers=transfers, stem=stem, classes=k, in_channels=c
    )
    s = {"cifar": 3, "imagenet": 7}[stem]
    expected = s**2 * c * f[0] + 2 * f[0] + k * (u[-1] + 1)
    for n, v, w in zip(steps, u, f, strict=True):
        expected += 9 * v * w * (1 + (1 if share_B else n)) + 2 * n * (v + w)
    for i in (1, 2):
        for w in (u, f):
            learned = 9 * w[i - 1] * w[i] + 2 * w[i]
            expected += learned if transfers == "learned" else w[i - 1] * w[i] * (w[i - 1] != w[i])
    assert vision.count_weights(model) == expected


def test_the_imagenet_configuration():
    """71.3 M weights (He & Xu 2019); its stem leaves a quarter of the image's sides."""
    with torch.device("meta"):
        model = vision.create_model("mgnet-imagenet")
        assert model(torch.zeros(2, 3, 224, 224)).shape == (2, 1000)
    assert vision.count_weights(model) == 71_270_504
    with pytest.raises(ArgumentError, match="H, W >= 32 for 4 levels"):
        model(torch.zeros(1, 3, 31, 64))


def test_the_imagenet_configuration_trains_at_toy_size():
    torch.manual_seed(0)
    model = vision.create_model("mgnet-imagenet", channels=(4, 8, 8, 16), classes=2)
    x, labels = torch.randn(8, 3, 64, 64), torch.arange(8) % 2
    losses = descend(model, x, labels, lr=0.05, steps=12)
    assert losses[-1] < 0.3 * losses[0]


def test_a_nonlinear_constraint_is_a_relu_of_the_linear_one():
    torch.manual_seed(0)
    model = vision.mgnet((1,), 4, constraint="nonlinear").double()
    A = model.levels[0].A
    u = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    assert torch.equal(A(u), nn.functional.conv2d(u, A[0].weight, padding=1).relu())


def test_fixed_transfers_are_full_weighting():
    x = torch.randn(2, 3, 7, 8, dtype=torch.float64)
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=torch.float64).expand(3, 1, 3, 3) / 16
    want = nn.functional.conv2d(x, kernel, stride=2, padding=1, groups=3)
    torch.testing.assert_close(averaged(3, 3)(x), want, rtol=1e-14, atol=1e-14)
    assert averaged(3, 5).double()(x).shape == (2, 5, 4, 4)


@pytest.mark.parametrize("name", vision.MODELS)
def test_every_named_model_says_what_it_is(name):
    factory, _options, source = vision.MODELS[name]
    assert name.split("-")[0] in factory.__name__ or name.startswith(("preact", "dense"))
    assert "arXiv" in source
    small = {"steps": (1, 1), "channels": (16, 32)} if factory is not vision.dense_mgnet else {}
    model = vision.create_model(name, classes=3, in_channels=1, **small)
    assert model.recipe == {"name": name, "options": {"classes": 3, "in_channels": 1, **small}}
    size = (2, 3) if factory is not vision.dense_mgnet else (2, 3, 16, 16)
    assert model(torch.randn(2, 1, 16, 16)).shape == size


def test_a_slot_filled_by_hand_leaves_no_recipe():
    model = vision.create_model("mgnet-16", steps=(1,), conv=conv)
    assert model.recipe is None


def test_multiply_adds_count_each_product_once():
    """B twice a level; A on entering it, for the second step and on leaving it; R and Pi. Level 0 starts from zero."""
    computed = vision.multiply_adds(vision.create_model("mgnet-256"), (3, 32, 32))
    c = [9 * 256**2 * (32 >> level) ** 2 for level in range(4)]
    stem, head = 9 * 3 * 256 * 32**2, 256 * 10
    assert computed == stem + head + 4 * c[0] + (2 + 3 + 2) * (c[1] + c[2]) + (2 + 2 + 2) * c[3]


@small
def test_contract(make):
    torch.manual_seed(0)
    model = make().double()
    testing.check_multigrid(model, images(model, dtype=torch.float64))


@small
def test_every_weight_gets_a_gradient(make):
    torch.manual_seed(0)
    model = make().double()
    model(images(model, dtype=torch.float64)).square().sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


@small
def test_state_dict_round_trip(make):
    torch.manual_seed(0)
    first, second = make(), make()
    x = images(first)
    first(x)  # moves the running statistics
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.eval()(x), second.eval()(x))


@small
def test_compile_captures_the_whole_model(make):
    torch.compiler.reset()  # all models share one forward, which is compiled for so many of them only
    torch.manual_seed(0)
    model = make().eval()
    x = images(model)
    captured = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(captured(x), model(x))


@small
def test_no_nan_in_bfloat16(make):
    torch.manual_seed(0)
    model = make()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(images(model)).float().square().mean()
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", [name for name in SMALL if name.startswith(("mgnet", "q2", "g6", "pair"))])
def test_data_space_form_gives_the_same_logits(name):
    torch.manual_seed(0)
    model = SMALL[name]()
    if name == "mgnet-nonlinear":
        with pytest.raises(ArgumentError, match="network: got a nonlinear A; expected a linear one"):
            vision.data_space(model)
        return
    x = images(model)
    with torch.no_grad():
        want, got = model(x), vision.data_space(model)(x)
    assert float((got - want).abs().max() / want.abs().max()) < 1e-5


def test_the_form_that_is_trained_has_the_fewest_products():
    """In data space, A acts once a step, but for the last; where tau or A forbid that, the network is as it was."""
    form = fewest_products(vision.mgnet((2, 3), 4))
    counts = [0, 0]
    for i, level in enumerate(form.levels):
        level.A.register_forward_hook(lambda *_, i=i: counts.__setitem__(i, counts[i] + 1))
    form(torch.randn(2, 3, 8, 8))
    assert counts == [2, 2]
    assert isinstance(fewest_products(vision.mgnet((1,), 16, conv="mgiad-4")).levels[0], DataSpaceLevel)
    biased = vision.mgnet((1,), 4, conv=lambda i, o: nn.Conv2d(i, o, 3, padding=1))
    unknown = vision.mgnet((1,), 4, conv=lambda i, o: nn.Sequential(conv(i, o), nn.Tanh()))
    others = [biased, unknown, vision.mgnet((1,), 4, constraint="nonlinear"), form, vision.resnet((1,), (4,))]
    others += [vision.polymgnet((1, 1), (4, 4), placement=placement) for placement in ("outside", "relu-outside")]
    for network in others:
        assert fewest_products(network) is network


@pytest.mark.parametrize(
    "name", [name for name in SMALL if name not in ("mgnet-cf", "resnet", "preact-resnet", "dense")]
)
def test_a_network_is_the_plain_loop_over_its_formulas(name):
    """And so is the form that is trained: logits and gradients."""
    torch.manual_seed(0)
    model = SMALL[name]().double()
    x, results = images(model, dtype=torch.float64), []
    for form in (PlainNetwork(model), model, fewest_products(model)):
        logits = form(x)
        gradient = torch.autograd.grad(logits.square().sum(), next(form.stem.parameters()))
        results.append((logits, *gradient))
    for found in results[1:]:
        for one, plain in zip(found, results[0], strict=True):
            assert float((one - plain).detach().abs().max()) < 1e-10 * float(plain.detach().abs().max())


@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_depthwise_transfer_is_the_grouped_convolution(multiplier, layout):
    torch.manual_seed(0)
    transfer = depthwise(4, 4 * multiplier).double()
    x = torch.randn(2, 4, 7, 10, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    want = nn.functional.conv2d(x, transfer.weight, stride=2, padding=1, groups=4)
    got = transfer(x)
    torch.testing.assert_close(got, want, rtol=1e-13, atol=1e-13)
    at = (x, transfer.weight)
    weights = torch.randn_like(want)
    for one, other in zip(*(torch.autograd.grad(y, at, weights) for y in (got, want)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_depthwise_transfer_in_bfloat16_is_the_one_in_float32_rounded(multiplier):
    """It is computed in float32 on a CPU, where oneDNN has no strided kernel for the gradient in bfloat16."""
    torch.manual_seed(0)
    transfer = depthwise(4, 4 * multiplier)
    x = torch.randn(2, 4, 8, 8).bfloat16()
    grads, outputs = [], []
    for mixed in (True, False):
        at = x.clone().requires_grad_() if mixed else x.float().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            y = transfer(at)
        outputs.append(y)
        grads.append(torch.autograd.grad(y, (at, transfer.weight), torch.ones_like(y)))
    assert outputs[0].dtype == grads[0][0].dtype == torch.bfloat16
    assert grads[0][1].dtype == torch.float32
    assert torch.equal(outputs[0], outputs[1].bfloat16())
    assert torch.equal(grads[0][0], grads[1][0].bfloat16())
    assert torch.equal(grads[0][1], grads[1][1])


def test_channels_last_changes_nothing():
    torch.manual_seed(0)
    model = vision.mgnet((2, 2), 8).double().eval()
    x = images(model, dtype=torch.float64)
    y = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(y, model.to(memory_format=torch.contiguous_format)(x), rtol=1e-12, atol=1e-12)


def test_mgnet_is_the_published_algorithm():
    """Algorithm 3 of He & Xu, written out with the model's own parts."""
    torch.manual_seed(0)
    model = vision.mgnet((2, 1), 5, data_channels=4, share_B=False).double()
    x = images(model, dtype=torch.float64)
    f = model.stem(x)
    u = torch.zeros(len(x), 5, 16, 16, dtype=torch.float64)
    for i, level in enumerate(model.levels):
        s = level.pre_smoother
        for step in range(s.steps):
            u = u + s.psi[step](s.B[step].map(s.phi[step](f - level.A(u))))
        if i == 0:
            r = f - level.A(u)
            u = level.Pi(u)
            f = level.R(r) + model.levels[1].A(u)
    torch.testing.assert_close(model.head(u), model(x), rtol=1e-12, atol=1e-12)


def test_q2_is_the_published_block():
    """u += relu(bn2(α relu(bn1(f - A u)))), then R on relu(f - A u) and Pi on u, without bn or relu after them."""
    torch.manual_seed(0)
    model = vision.polymgnet((2, 1), (4, 8)).double()
    for p in model.parameters():
        if p.ndim == 0:
            p.data.uniform_(0.5, 1.5)
    x = images(model, dtype=torch.float64)
    f = model.stem(x)
    u = torch.zeros(len(x), 4, 16, 16, dtype=torch.float64)
    for i, level in enumerate(model.levels):
        s = level.pre_smoother
        for step in range(s.steps):
            bn1, bn2 = s.phi[step][0], s.psi[step][0]
            u = u + bn2(s.B[step].c1 * bn1(f - level.A(u)).relu()).relu()
        if i == 0:
            r = (f - level.A(u)).relu()
            u = nn.functional.conv2d(u, level.Pi.weight, stride=2, padding=1, groups=4)
            f = nn.functional.conv2d(r, level.R[1].weight, stride=2, padding=1, groups=4) + model.levels[1].A(u)
    torch.testing.assert_close(model.head(u), model(x), rtol=1e-12, atol=1e-12)


def test_initial_symbol_has_radius_one():
    torch.manual_seed(0)
    assert symbol_radius(conv(96, 96, gain=1.0).weight, (4, 4)) == pytest.approx(1, abs=0.15)


def test_recipe_rebuilds_the_model():
    model = vision.create_model("mgnet-16", in_channels=1, steps=(2, 1))
    assert model.recipe == {"name": "mgnet-16", "options": {"in_channels": 1, "steps": (2, 1)}}
    again = vision.create_model(model.recipe["name"], **model.recipe["options"])
    assert again.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vision.create_model("mgnet-257"), "name: got 'mgnet-257'; expected one of mgnet-16,"),
        (lambda: vision.create_model("mgnet-16", depth=3), "options: got {'depth': 3}; expected those of mgnet"),
        (lambda: vision.mgnet(()), "steps: got (); expected at least one level"),
        (lambda: vision.mgnet((2, 0)), "steps: got (2, 0); expected at least one level of at least one step"),
        (lambda: vision.mgnet(channels=0), "channels: got 0; expected a whole number >= 1"),
        (lambda: vision.mgnet(channels=8.5), "channels: got 8.5; expected a whole number >= 1"),
        (lambda: vision.polymgnet(width=float("nan")), "width: got nan; expected a finite number > 0"),
        (lambda: vision.polymgnet(channels=()), "channels: got 0 levels; expected 4, as steps"),
        (lambda: vision.mgnet(classes=0), "classes: got 0"),
        (lambda: vision.mgnet(channels=(8, 8)), "channels: got 2 levels; expected 4, as steps"),
        (lambda: vision.mgnet(constraint="convex"), "constraint: got 'convex'; expected one of linear, nonlinear"),
        (lambda: vision.mgnet(stem="vgg"), "stem: got 'vgg'; expected one of cifar, imagenet"),
        (lambda: vision.mgnet(transfers="max"), "transfers: got 'max'; expected one of learned, fixed"),
        (lambda: vision.mgnet(channels=20, conv="mgiad-8"), "channels: got 20 -> 20 in groups of 8; expected even"),
        (lambda: vision.polymgnet((2, 2), (4,)), "channels: got 1 levels; expected 2, as steps"),
        (lambda: vision.polymgnet((2, 2), (4, 6)), "channels: got 4 -> 6; expected a multiple"),
        (lambda: vision.polymgnet(width=0.001), "channels: got 0; expected a whole number"),
        (lambda: vision.mgnet()(torch.zeros(1, 3, 4, 4)), "images: got shape (1, 3, 4, 4); expected (B, C, H, W) with"),
        (lambda: vision.mgnet((2,), 4)(torch.zeros(3, 8, 8)), "images: got shape (3, 8, 8); expected (B, C, H, W)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ArgumentError) as error:
        call()
    assert str(error.value).startswith(message)


def test_the_list_of_models_has_a_line_for_each():
    report = listing.run(listing.Options((1, 8, 8)))
    assert [row["name"] for row in report["models"]] == list(vision.MODELS)
    assert len(listing.text(report).splitlines()) == len(vision.MODELS) + 1
    unknown = [row["name"] for row in report["models"] if row["multiply_adds"] is None]
    assert unknown == ["mgnet-imagenet"]  # it needs 32 pixels a side


@pytest.mark.parametrize("name", ["mgnet-64-li", "polymgnet-g6-quarter", "dense-mgnet-32", "mgnet-64-mgiad"])
def test_describe_adds_up(name):
    model = vision.create_model(name)
    head, *rows = vision.describe(model).splitlines()
    first = head.split().index("A")
    cells = [cell for row in rows for cell in (row.split()[first:] if row.split()[0].isdigit() else row.split()[1:])]
    assert sum(int(cell.replace(",", "")) for cell in cells if cell != "-") == vision.count_weights(model)


@pytest.mark.parametrize("channels", [0, -1])
def test_data_channels_are_checked(channels):
    with pytest.raises(ArgumentError, match=f"channels: got {channels}"):
        vision.mgnet(channels=8, data_channels=channels)


@pytest.mark.parametrize("width", [0.3, 0.35, 0.7, 1.3])
def test_a_width_of_any_size_keeps_the_ratios_of_the_channels(width):
    """Depthwise transfers need multiples."""
    model = vision.create_model("polymgnet-q2", width=width)
    channels = [level.A.out_channels for level in model.levels]
    first = round(64 * width)
    assert channels == [first, 2 * first, 4 * first, 4 * first]


def test_numpy_numbers_make_a_model_that_can_be_saved(tmp_path):
    model = vision.create_model("mgnet-16", classes=np.int64(3), steps=np.array([1, 2]))
    vision.save(tmp_path / "a.safetensors", model)
    again, meta = vision.load_model(tmp_path / "a.safetensors")
    assert meta["model"]["options"] == {"classes": 3, "steps": [1, 2]}
    assert vision.count_weights(again) == vision.count_weights(model)
