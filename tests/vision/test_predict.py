"""Prediction ranks the classes of each file, and names the files that it cannot read."""

import pytest
import torch
from PIL import Image
from torch import nn

from unified.errors import ArgumentError, DataError
from vision.predict import predict


def meta(**changed):
    return {"classes": ["dark", "light"], "mean": [0.5], "std": [0.25], "image": [1, 4, 4], **changed}


class Brightness(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x):
        light = self.scale * x.mean((1, 2, 3))
        return torch.stack([-light, light], 1)


def test_predict_ranks_the_classes_of_each_file(tmp_path):
    for name, grey in (("a", 250), ("b", 3)):
        Image.new("L", (9, 9), grey).save(tmp_path / f"{name}.png")
    model = Brightness().train()
    found = predict(model, [tmp_path / "a.png", str(tmp_path / "b.png")], meta())
    assert [p.label for p in found] == ["light", "dark"]
    assert found[0].file == str(tmp_path / "a.png")
    assert found[0].top[0] == ("light", found[0].probability)
    assert sum(p for _, p in found[0].top) == pytest.approx(1)
    assert len(predict(model, [tmp_path / "a.png"], meta(), top=1)[0].top) == 1
    assert model.training


@pytest.mark.parametrize("what", ["missing", "folder", "text", "truncated", "empty"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, what):
    path = tmp_path / "a.png"
    if what == "folder":
        path.mkdir()
    elif what == "truncated":
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:500])
    elif what != "missing":
        path.write_bytes(b"" if what == "empty" else b"hello")
    with pytest.raises(DataError, match=r"a\.png: got .*; expected a readable image file"):
        predict(Brightness(), [path], meta())


class Side(nn.Module):
    """Whether the left half or the right one is the brighter, and how bright both are."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        left, right = x[..., :2].mean((1, 2, 3)), x[..., 2:].mean((1, 2, 3))
        return self.scale * torch.stack([left, 3 * right], 1)


def test_mirror_images_are_averaged_where_they_may_be(tmp_path):
    image = Image.new("L", (4, 4), 127)
    image.paste(255, (0, 0, 2, 4))
    image.save(tmp_path / "left.png")
    plain, mirrored = (predict(Side(), tmp_path / "left.png", meta(mirror=True), flip=flip) for flip in (False, True))
    left, right = 2.0, (127 / 255 - 0.5) / 0.25
    for found, logits in ((plain, [left, 3 * right]), (mirrored, [(left + right) / 2, 3 * (left + right) / 2])):
        expected = torch.tensor(logits).softmax(0)
        assert dict(found[0].top) == pytest.approx(dict(zip(["dark", "light"], expected.tolist(), strict=True)))
    with pytest.raises(ArgumentError, match="flip: got True for a note without 'mirror'"):
        predict(Side(), tmp_path / "left.png", meta(), flip=True)
    with pytest.raises(ArgumentError, match="flip: got True for digits; expected data whose mirror images"):
        predict(Side(), tmp_path / "left.png", meta(mirror=False, data="digits"), flip=True)


def test_predict_needs_a_full_note(tmp_path):
    with pytest.raises(ArgumentError, match="meta: got a note without mean, image"):
        predict(Brightness(), [], {"classes": [], "std": []})
    with pytest.raises(ArgumentError, match="top: got 0"):
        predict(Brightness(), [], meta(), top=0)


def test_an_unreadable_file_does_not_stop_the_others_where_it_is_taken(tmp_path):
    for name, grey in (("a", 250), ("c", 3)):
        Image.new("L", (9, 9), grey).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_text("no image")
    errors = []
    files = [tmp_path / "none.png", tmp_path, tmp_path / "a.png"]  # a.png twice: twice an answer
    found = predict(Brightness(), files, meta(), unreadable=errors.append)
    assert [(p.file[-5:], p.label) for p in found] == [("a.png", "light"), ("c.png", "dark"), ("a.png", "light")]
    assert [error.argument[-8:] for error in errors] == ["none.png", str(tmp_path / "b.png")[-8:]]
    assert predict(Brightness(), tmp_path / "b.png", meta(), unreadable=errors.append) == []


def test_many_files_are_answered_as_each_alone(tmp_path):
    for i in range(70):  # more than a batch
        Image.new("L", (4, 4), 3 * i).save(tmp_path / f"{i:02}.png")
    found = predict(Brightness(), tmp_path, meta())
    assert len(found) == 70
    for one in found[::23]:
        (alone,) = predict(Brightness(), one.file, meta())
        assert alone.label == one.label
        assert alone.probability == pytest.approx(one.probability, rel=1e-6)


def test_a_model_that_answers_nan_is_refused(tmp_path):
    Image.new("L", (9, 9), 250).save(tmp_path / "a.png")
    model = Brightness()
    model.scale.data.fill_(torch.nan)
    with pytest.raises(ArgumentError, match="model: got logits that are NaN or infinite, for 1 of 1 images"):
        predict(model, tmp_path / "a.png", meta())
