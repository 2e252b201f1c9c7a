"""The demo, at tiny sizes: the folder, the page, and that the page tells the results and nothing else."""

import copy
import io
import json
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from unified.app import chapters, demo, report
from unified.app.main import main
from unified.errors import ArgumentError, DataError

OWN = {"index.html", "results.json", "convergence.png", "training.png", "digits.png"} | {
    f"{name}.jpg" for name in ("source", "pasted", "clone")
}
VOID = {"meta", "img", "br", "hr"}


class Page(HTMLParser):
    """What a page holds; an element closed in the wrong place is an error."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    (folder / "notes.txt").write_text("mine")
    (folder / "index.html").write_text("of an earlier run")
    assert main(["demo", "--quick", "--folder", str(folder), "--json"]) == 0
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "index.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pictures(folder, results):
    return {name: (folder / name).read_bytes() for name in results["figures"]}


def test_writes_its_own_files_and_no_others(folder):
    assert {path.name for path in folder.iterdir()} == OWN | {"notes.txt"}
    assert (folder / "notes.txt").read_text() == "mine"


def test_figures_are_pictures(pictures):
    assert {f"{name}" for name in pictures} == OWN - {"index.html", "results.json"}
    for name, content in pictures.items():
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            assert picture.format == {"png": "PNG", "jpg": "JPEG"}[name.rpartition(".")[2]]
            assert min(picture.size) >= 50


def test_page_is_self_contained(page, folder):
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link|<iframe", re.sub(r"base64,[^\"]+", "", text))
    assert {image["src"].split(";")[0] for image in page.all("img")} == {"data:image/png", "data:image/jpeg"}
    assert {link["href"][0] for link in page.all("a")} == {"#"}


def test_page_can_be_read_by_everyone(page):
    assert page.all("html") == [{"lang": "en"}]
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert len(page.all("img")) == 6
    assert all(len(image["alt"]) > 20 for image in page.all("img"))
    assert len(page.all("h1")) == 1


def test_contents_lead_to_every_section(page):
    sections = [section["id"] for section in page.all("section")]
    assert sections == ["start", "poisson", "cloning", "digits", "dualities", "run"]
    assert [link["href"] for link in page.all("a")] == [f"#{name}" for name in sections]


def test_page_tells_the_results(page, results):
    expected = [
        *(f"{row['rate']:.3f}" for row in results["poisson"]["sizes"]),
        *(report.scientific(row["error"], 2) for row in results["poisson"]["sizes"]),
        f"{results['cloning']['unknowns']:,}",
        f"{results['cloning']['rate']:.3f}",
        *(f"{model['weights']:,}" for model in results["digits"]["models"]),
        *(f"{model['accuracy']:.2%}" for model in results["digits"]["models"]),
        *(report.scientific(x) for row in results["dualities"]["solver"] for x in row["levels"]),
        *(report.scientific(row[dtype]) for row in results["dualities"]["resnet"] for dtype in ("float32", "float64")),
        results["dualities"]["program"],
        results["environment"]["torch"],
    ]
    for text in expected:
        assert text in page.text


def test_page_is_made_from_the_results_alone(folder, results, pictures):
    assert chapters.document(results, pictures) == (folder / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("poisson", "sizes", 0, "rate"), 0.987654, "0.988"),
        (("cloning", "unknowns"), 987654, "987,654"),
        (("digits", "models", 1, "accuracy"), 0.54321, "54.32%"),
        (("dualities", "solver", 0, "levels", 0), 9.87e-5, "9.9·10⁻⁵"),
        (("dualities", "same_program"), False, "differs from"),
        (("environment", "processor"), "<b>&", "<b>&"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_another_result_gives_another_page(results, pictures, path, value, text):
    changed = copy.deepcopy(results)
    *parents, last = path
    inner = changed
    for key in parents:
        inner = inner[key]
    inner[last] = value
    assert text not in Page(chapters.document(results, pictures)).text
    assert text in Page(chapters.document(changed, pictures)).text


def test_measured_what_it_says(results):
    assert all(0.05 < row["rate"] < 0.2 for row in results["poisson"]["sizes"])
    assert all(abs(row["order"] - 2) < 0.05 for row in results["poisson"]["sizes"][1:])
    assert results["poisson"]["one_level"][-1]["residuals"][-1] > 0.5
    assert results["cloning"]["result"] == "converged"
    assert max(max(row["levels"]) for row in results["dualities"]["solver"]) < 1e-14
    assert max(row["float64"] for row in results["dualities"]["resnet"]) < 1e-13
    assert results["dualities"]["same_program"] is True
    assert set(results["seconds"]) == {
        "imports", "h-independence", "image editing", "training", "dualities", "figures"
    }  # fmt: skip


def test_text_names_the_report(results):
    assert "the report is there/index.html" in demo.text(results | {"report": "there/index.html"})


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "measure", lambda *_: pytest.fail("computed"))
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataError, match=r"results\.json: got .*; expected a folder that takes .*save elsewhere"):
            demo.run(demo.Options(folder=folder))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_negative_seed_is_told(tmp_path):
    with pytest.raises(ArgumentError, match="seed: got -1; expected a whole number >= 0; use seed=0"):
        demo.run(demo.Options(folder=tmp_path / "new", seed=-1))
    assert not (tmp_path / "new").exists()


def test_text_is_escaped():
    page = report.page("<T>", "a < b", [("x", "<H>", report.paragraphs("<script>", "`<c>` *<e>*"))], "")
    assert "<script>" not in page
    assert Page(page).text.split() == ["<T>", "<T>", "a", "<", "b", "<H>", "<H>", "<script>", "<c>", "<e>"]
    picture = report.figure(b"\x89PNG", 'a "quoted" <alt>', "<caption>")
    assert Page(picture).all("img")[0]["alt"] == 'a "quoted" <alt>'
