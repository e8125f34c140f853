"""The pages are light, complete in themselves, and cacheable for ever: judged by the built files."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

PAGES = ("index", "teach", "class", "replay", "report")
LIMITS = {"index": 60_000, "class": 60_000, "teach": 120_000, "replay": 180_000, "report": 40_000}
"""Bytes over the wire, in the larger of the two encodings, of all that a page loads before media."""

LATER = {"index": 0, "class": 60_000, "teach": 60_000, "replay": 0, "report": 0}
"""The same of what it loads when that is first used: after the first sound, on the same thin link."""

LINK = re.compile(r"""(?:src|href|import)\s*=?\s*\(?\s*["'`]([^"'`]+\.(?:js|css|svg))["'`]""")
CHUNK = re.compile(r"""["'`](?:\.?/)?(?:assets/)?([A-Za-z0-9_.-]+-[A-Za-z0-9_-]{8}\.(?:js|css|svg))["'`]""")
STATIC = re.compile(r"""(?:from|import)\s*["'`]\./([^"'`]+\.js)["'`]""")
HASHED = re.compile(r".+-[A-Za-z0-9_-]{8}\.(?:js|css|svg|png|woff2)")

NOT_FETCHED = (
    # Names of XML vocabularies and of a kind of metadata in MP4, which look like addresses and are none.
    "http://www.w3.org/",
    "https://www.w3.org/",
    "https://aomedia.org/emsg/ID3",
)


def loaded(folder: Path, page: str) -> Iterator[Path]:
    """The page and every script, style and picture that it can reach, lazily loaded ones included."""
    seen: set[Path] = set()
    waiting = [folder / f"{page}.html"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        yield path
        text = path.read_text("utf-8")
        names = {Path(name).name for name in LINK.findall(text)} | set(CHUNK.findall(text))
        waiting += [folder / "assets" / name for name in names if (folder / "assets" / name).is_file()]


def opened(folder: Path, page: str) -> set[Path]:
    """Of these, what the page opens with: what it names itself, and what those scripts cannot do without."""
    html = folder / f"{page}.html"
    seen = {html}
    waiting = [folder / "assets" / Path(name).name for name in LINK.findall(html.read_text("utf-8"))]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        if path.suffix == ".js":
            waiting += [path.parent / name for name in STATIC.findall(path.read_text("utf-8"))]
    return seen


def weight(files: Iterable[Path], ending: str) -> int:
    return sum(path.with_name(path.name + ending).stat().st_size for path in files)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_within_its_size(pages: Path, page: str) -> None:
    every = set(loaded(pages, page))
    # Only a page that names its parts itself loads the others later; the replay's player is needed at once.
    files = opened(pages, page) & every if LATER[page] else every
    assert any(path.suffix == ".js" for path in files), "the walk found no script: it walks wrongly"
    sizes = {ending: weight(files, ending) for ending in (".gz", ".br")}
    later = weight(every - files, ".gz")
    print(f"{page}: {sizes['.gz']} bytes as gzip, {sizes['.br']} as brotli, {len(files)} files; {later} later")
    assert sizes[".br"] < sizes[".gz"] <= LIMITS[page], sizes
    assert later <= LATER[page], sorted(path.name for path in every - files)


def test_the_replay_player_is_counted_and_loaded_by_no_other_page(pages: Path) -> None:
    players = {page: [path.name for path in loaded(pages, page) if "hls" in path.name] for page in PAGES}
    assert len(players.pop("replay")) == 1
    assert not any(players.values()), players


def test_every_asset_has_a_hash_in_its_name_and_two_encodings(pages: Path) -> None:
    assets = [path for path in (pages / "assets").iterdir() if path.suffix not in (".gz", ".br")]
    assert assets
    for path in assets:
        assert HASHED.fullmatch(path.name), path.name
        assert path.with_name(path.name + ".br").is_file()
        assert path.with_name(path.name + ".gz").is_file()


def test_no_page_names_another_host(pages: Path) -> None:
    for page in PAGES:
        for path in loaded(pages, page):
            hosts = set(re.findall(r"""https?://[^\s"'`<>)]+|["'`(]//[a-z0-9][^\s"'`<>)]*""", path.read_text("utf-8")))
            strange = {host for host in hosts if not host.startswith(NOT_FETCHED)}
            assert not strange, f"{path.name}: {strange}"


def test_pages_carry_no_inline_script_or_style(pages: Path) -> None:
    """So that the policy of the server can forbid both."""
    for page in PAGES:
        text = (pages / f"{page}.html").read_text("utf-8")
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=", text), page


@pytest.mark.parametrize("page", PAGES)
def test_a_pages_own_sheet_comes_after_what_all_share(pages: Path, page: str) -> None:
    """Of two rules of equal weight the later one holds."""
    sheets = re.findall(r'rel="stylesheet"[^>]*/assets/([a-z]+)-', (pages / f"{page}.html").read_text("utf-8"))
    assert sheets
    assert [name for name in sheets if name == page] == [name for name in sheets[-1:] if name == page]
    assert sheets.index("base") == 0


def test_the_classrooms_door_runs_before_the_page_behind_it_has_come(pages: Path) -> None:
    """The first sound is asked for by a few kilobytes that wait for nothing else: no other script, no sheet."""
    html = (pages / "class.html").read_text("utf-8")
    (door,) = re.findall(r'<script async type="module"[^>]*src="/(assets/class-[^"]+)"', html)
    seen: set[str] = set()
    waiting = [door]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        imported = re.findall(r"""(?:from|import)\s*["'`]\./([^"'`]+)["'`]""", (pages / name).read_text("utf-8"))
        waiting += [f"assets/{one}" for one in imported]
    assert sum((pages / f"{name}.gz").stat().st_size for name in seen) < 6_000, seen
    # All of the rest is named by the page itself, so nothing waits for the door to run.
    behind = re.findall(r'rel="modulepreload"[^>]*href="/(assets/[^"]+)"', html)
    page = next(name for name in behind if "/page-" in name)
    assert set(re.findall(r"""from\s*["'`]\./([^"'`]+)["'`]""", (pages / page).read_text("utf-8"))) <= {
        Path(name).name for name in (*behind, *seen)
    }
