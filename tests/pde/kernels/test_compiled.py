"""Compiled kernels on disk belong to the sources that they were made of, all of them."""

import shutil

import pytest

from pde.kernels import compiled


@pytest.fixture
def folders(tmp_path):
    """Sources, and a cache of theirs and of somebody else."""
    sources, cache = tmp_path / "kernels", tmp_path / "cache"
    sources.mkdir()
    cache.mkdir()
    for name in ("wavefront", "rows"):
        (sources / f"{name}.py").write_text(f"# {name}")
    for name in ("wavefront.run-25.py311.nbi", "wavefront.run-25.py311.1.nbc", "other.run-1.py311.nbi"):
        (cache / name).write_bytes(b"compiled")
    return sources, cache


def names(cache):
    return sorted(path.name for path in cache.iterdir() if path.name != compiled.STAMP)


def test_what_a_changed_helper_is_compiled_into_is_forgotten(folders):
    """Numba itself notices a change of wavefront.py alone."""
    sources, cache = folders
    compiled.discard_stale(cache, sources)
    (cache / "wavefront.run-25.py311.nbi").write_bytes(b"compiled")
    assert compiled.discard_stale(cache, sources) == 0
    assert len(names(cache)) == 3
    (sources / "rows.py").write_text("# rows, mended")
    assert compiled.discard_stale(cache, sources) == 1
    assert names(cache) == ["other.run-1.py311.nbi", "wavefront.run-25.py311.1.nbc"]
    assert (cache / compiled.STAMP).read_text() == compiled.digest(sources)


def test_a_cache_of_unknown_sources_is_forgotten(folders):
    sources, cache = folders
    assert compiled.discard_stale(cache, sources) == 1


def test_no_cache_yet(folders):
    sources, cache = folders
    shutil.rmtree(cache)
    assert compiled.discard_stale(cache, sources) == 0
    (cache / "wavefront.run-25.py311.nbi").write_bytes(b"compiled")
    assert compiled.discard_stale(cache, sources) == 0  # nor does the next process forget it
    assert len(names(cache)) == 1


def test_it_is_the_folder_of_the_kernels():
    from pde.kernels import wavefront

    assert compiled._probe.stats.cache_path == wavefront.run.stats.cache_path
