"""Image files are read as people have them, and named where they cannot be."""

import numpy as np
import pytest
import torch
from PIL import Image

from unified.errors import DataError
from vision.data import load
from vision.images import image_files, read_image


def picture(mode):
    """8x8, the left half red (or dark), the right half white."""
    image = Image.new("RGB", (8, 8), "white")
    image.paste((255, 0, 0), (0, 0, 4, 8))
    if mode == "RGBA":  # the right half is transparent black: white, once it is on white
        image = image.convert("RGBA")
        image.paste((0, 0, 0, 0), (4, 0, 8, 8))
        return image
    if mode == "P transparent":
        image = Image.new("P", (8, 8), 1)
        image.putpalette([255, 0, 0, 0, 0, 0])
        image.paste(0, (0, 0, 4, 8))
        image.info["transparency"] = 1
        return image
    if mode == "I;16":
        return Image.fromarray(np.where(np.arange(8) < 4, 0x4C00, 0xFFFF).astype(np.uint16)[None].repeat(8, 0))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "P transparent", "L", "LA", "CMYK", "I;16", "1"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_image_is_read_on_white(tmp_path, mode, channels):
    kind = "tiff" if mode == "CMYK" else "png"
    picture(mode).save(tmp_path / f"a.{kind}")
    pixels = read_image(tmp_path / f"a.{kind}", (channels, 8, 8))
    assert pixels.shape == (channels, 8, 8)
    assert pixels.dtype == torch.uint8
    assert (pixels[:, :, 5:] >= 254).all()
    if mode != "1":  # black and white dithers
        grey = 0.299 * 255  # red, in grey
        expected = (
            [grey]
            if channels == 1
            else [255, 0, 0]
            if mode in ("RGB", "RGBA", "P", "P transparent", "CMYK")
            else [grey] * 3
        )
        np.testing.assert_allclose(pixels[:, 3, 1].numpy(), expected, atol=2)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("grey", [200, 300, 5000, 65535])
def test_16_bits_are_one_scale_for_all_images(tmp_path, dtype, grey):
    """Also for dark ones. As 32-bit integers they may be 8 bits, if none is larger."""
    Image.fromarray(np.full((4, 4), grey, dtype)).save(tmp_path / "a.tiff")
    expected = grey if dtype is np.int32 and grey < 256 else grey // 256
    assert (read_image(tmp_path / "a.tiff", (1, 4, 4)) == expected).all()


@pytest.mark.parametrize("grey", [-1, 65536])
def test_whole_numbers_that_are_no_16_bits_are_refused(tmp_path, grey):
    Image.fromarray(np.full((4, 4), grey, np.int32)).save(tmp_path / "a.tiff")
    with pytest.raises(DataError, match=rf"a\.tiff: got ValueError: whole numbers from {grey} to {grey}, which"):
        read_image(tmp_path / "a.tiff", (1, 4, 4))


def test_a_large_image_is_resized_whole(tmp_path):
    Image.fromarray(np.linspace(0, 255, 640).astype(np.uint8)[None].repeat(100, 0)).save(tmp_path / "a.png")
    row = read_image(tmp_path / "a.png", (1, 8, 8))[0, 0].int()
    assert row[0] < 30
    assert row[-1] > 225
    assert (row.diff() > 0).all()


def test_the_files_pixels_are_the_data_sets_pixels(tmp_path):
    data = load("digits")
    Image.fromarray(data.test_images[0, 0].numpy()).save(tmp_path / "a.png")
    assert torch.equal(read_image(tmp_path / "a.png", data.image_shape), data.test_images[0])


@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_floating_point_images_keep_their_greys(tmp_path, scale):
    grey = np.array([[0.0, 0.5], [0.75, 1.0]], np.float32) * scale
    Image.fromarray(grey).save(tmp_path / "grey.tif")
    expected = grey * (255 if scale == 1 else 1)
    np.testing.assert_allclose(read_image(tmp_path / "grey.tif", (1, 2, 2))[0], expected, atol=0.5)


def test_a_folder_gives_its_images_in_order_and_nothing_hidden(tmp_path):
    names = ["b/2.png", "b/1.JPG", "a.png", ".hidden/3.png", ".4.png", "notes.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
    assert found == ["a.png", "b/1.JPG", "b/2.png"]
    given = [tmp_path / "notes.txt", str(tmp_path / "b"), tmp_path / "none"]  # as given, where there is no image in it
    assert [path.name for path in image_files(given)] == ["notes.txt", "1.JPG", "2.png", "none"]
