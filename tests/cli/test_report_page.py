"""The page of a report: what stands in it, what a browser makes of it, and what it is never written over."""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from PIL import Image

from genrestore.cli.report_page import Entry, Page
from genrestore.errors import UsageError
from genrestore.files.codecs import images
from genrestore.files.plan import sources
from tests.browser import EXECUTABLE, Browser, browser

WORDS = ["denoise", "a b/", "-o", "out/", "--report", "<i>"]
HOSTILE = "a'\"<script>alert(1)</script>\n& b.png"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def picture(name: str, level: int = 100, size: tuple[int, int] = (90, 60), mode: str = "RGB") -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level,) * len(mode)).save(path)
    return path


def pair(name: str, sigma: float, **more: Any) -> Entry:
    """A picture of level 40 whose result is of level 200."""
    size = more.pop("size", (90, 60))
    return Entry(
        picture(f"in/{name}", 40, size), picture(f"out/{name}", 200, size), "done", 1.5, sigma, **more
    )


def written(*entries: Entry, folder: str = "report") -> str:
    page = Page(Path(folder), WORDS)
    for entry in entries:
        page.add(entry)
    return page.write().read_text(encoding="utf-8")


class Read(HTMLParser):
    """Tags with their attributes, and the text that is seen."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.inside = "", ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


class TestPage:
    def test_it_says_what_became_of_every_input(self) -> None:
        done = pair("a.png", 12.34, psnr=31.0, gain=6.5, ssim=0.91234, notes=("little noise found",))
        failed = Entry(Path("in/x.jpg"), None, "failed", error="in/x.jpg: damaged")
        skipped = Entry(Path("in/notes.txt"), None, "skipped", error="not a picture")
        text = " ".join(Read(written(done, failed, skipped)).text.split())
        assert "1 done, 1 skipped, 1 failed" in text
        assert "genrestore denoise 'a b/' -o out/ --report '<i>'" in text
        assert "σ 12.3 · PSNR 31.00 dB · gain +6.50 dB · SSIM 0.9123 · 1.5 s" in text
        assert "mean gain +6.50 dB" in text
        assert "little noise found" in text
        assert "x.jpg: in/x.jpg: damaged" in text
        assert "notes.txt: not a picture" in text
        assert "moved alone is not found" in text

    def test_pictures_are_linked_and_thumbnails_lie_beside_it(self) -> None:
        read = Read(written(pair("a.png", 3, size=(900, 600))))
        shown = [image["src"] for image in read.named("img") if "src" in image]
        assert shown == ["report-files/00001.jpg"]
        with Image.open(Path("report", shown[0])) as small:
            assert (small.format, small.size) == ("JPEG", (320, 213))
            assert small.getpixel((9, 9)) == pytest.approx((200, 200, 200), abs=2)
        tile = read.named("li")[0]
        assert (tile["data-before"], tile["data-after"]) == ("../in/a.png", "../out/a.png")
        assert sorted(path.name for path in Path("report").rglob("*")) == [
            "00001.jpg",
            "index.html",
            "report-files",
        ]

    @pytest.mark.parametrize("where", ["name", "note", "error", "words", "folder"])
    def test_whatever_a_name_or_a_text_holds_stays_text(self, where: str) -> None:
        name, note, words, folder = "b.png", (), WORDS, "report"
        if where == "name":
            name = HOSTILE.replace("/", "\N{FRACTION SLASH}")
        if where == "note":
            note = (HOSTILE,)
        if where == "words":
            words = ["denoise", HOSTILE]
        if where == "folder":
            folder = HOSTILE.replace("/", "\N{FRACTION SLASH}")
        page = Page(Path(folder), words)
        page.add(pair(name, 3, notes=note))
        page.add(Entry(Path("in/x.png"), None, "failed", error=HOSTILE if where == "error" else "damaged"))
        html = page.write().read_text(encoding="utf-8")
        read = Read(html)
        assert len(read.named("script")) == 1
        assert "<script>alert" not in html
        assert "alert(1)" in read.text
        known = "class id href src width height loading decoding alt title type name content charset lang"
        known += " http-equiv hidden value min max tabindex"
        used = {key for _, attributes in read.tags for key in attributes}
        assert {key for key in used - {*known.split()} if not key.startswith(("data-", "aria-"))} == set()
        after = next(tile["data-after"] for tile in read.named("li") if "data-after" in tile) or ""
        assert Path(os.fsdecode(unquote_to_bytes(str(Path(folder, after))))).is_file()

    @pytest.mark.skipif(os.name == "nt", reason="names are text there")
    def test_a_name_that_is_no_text(self) -> None:
        raw = os.fsdecode(b"in/\xff:.png")
        html = written(pair(raw.removeprefix("in/"), 3))
        assert "%FF%3A.png" in html
        assert "\\udcff:.png" in html

    def test_only_its_own_script_may_run(self) -> None:
        policy = next(meta["content"] or "" for meta in Read(written()).named("meta") if "http-equiv" in meta)
        assert "default-src 'none'" in policy
        assert re.search(r"script-src 'sha256-[\w+/=]{44}'", policy)
        assert "unsafe" not in policy

    def test_nothing_of_it_comes_from_a_network(self) -> None:
        html = written(pair("a.png", 3))
        assert "//" not in re.sub(r"<script>.*</script>", "", html, flags=re.DOTALL)
        assert "http" not in re.sub(r"img-src[^;]*;|http-equiv", "", html)

    def test_names_are_told_from_where_the_inputs_part(self) -> None:
        html = written(
            pair("x/a.png", 3), pair("y/a.png", 3), Entry(None, None, "failed", error="no picture")
        )
        assert [tile["data-name"] for tile in Read(html).named("li") if "data-name" in tile] == [
            "x/a.png",
            "y/a.png",
        ]
        assert "standard input: no picture" in " ".join(Read(html).text.split())

    def test_in_place_there_is_nothing_before(self) -> None:
        path = picture("a.png")
        html = written(Entry(path, path, "done", 1.0))
        assert 'data-before=""' in html
        assert "replaced in place" in html

    def test_what_browsers_do_not_show_has_a_preview(self) -> None:
        entry = Entry(picture("in/a.tif", 10, (4096, 64)), picture("out/a.tif", 20, (4096, 64)), "done", 1.0)
        tile = Read(written(entry)).named("li")[0]
        assert tile["data-before"] == "report-files/00001-before.jpg"
        with Image.open("report/report-files/00001-after.jpg") as preview:
            assert preview.size == (2048, 32)
        assert 'href="../in/a.tif"' in Path("report/index.html").read_text()

    @pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
    def test_pictures_of_every_layout_are_drawn(self, mode: str) -> None:
        entry = Entry(picture("in/a.png", 90, mode=mode), picture("out/a.png", 90, mode=mode), "done")
        written(entry)
        with Image.open("report/report-files/00001.jpg") as small:
            level = 90 if mode in ("L", "RGB") else 90 * 90 / 255 + 128 * (1 - 90 / 255)
            assert np.asarray(small).mean() == pytest.approx(level, abs=2)

    def test_16_bits_are_drawn_as_8(self) -> None:
        levels = np.full((20, 30), 128 * 257, np.uint16)
        for folder in ("in", "out"):
            Path(folder).mkdir()
            Image.fromarray(levels).save(f"{folder}/a.png")
        written(Entry(Path("in/a.png"), Path("out/a.png"), "done"))
        with Image.open("report/report-files/00001.jpg") as small:
            assert np.asarray(small).mean() == pytest.approx(128, abs=1)

    def test_a_picture_that_cannot_be_drawn_keeps_its_tile(self) -> None:
        entry = pair("a.png", 3)
        Path("out/a.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
        html = written(entry)
        assert "no thumbnail" in html
        assert "not drawn: out/a.png: " in html

    @pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
    def test_a_small_picture_is_as_private_as_its_picture(self) -> None:
        entry = pair("a.png", 3)
        Path("out/a.png").chmod(0o600)
        written(entry)
        assert stat.S_IMODE(Path("report/report-files/00001.jpg").stat().st_mode) == 0o600

    def test_small_pictures_are_no_inputs_of_the_next_run(self) -> None:
        written(pair("a.png", 3))
        reason = sources.reason_to_skip(Path("report/report-files/00001.jpg"))
        assert reason == sources.OWN_OUTPUT
        assert images.read_provenance(Path("report/report-files/00001.jpg")) is not None

    def test_an_outcome_becomes_an_entry(self) -> None:
        from genrestore.cli.report import Scores
        from genrestore.files.plan.jobs import Job
        from genrestore.files.work.batch import Outcome
        from genrestore.restore.task import Findings

        job = Job(Path("a.png"), picture("b.png"), None)
        findings = Findings(0.1, ("said",))
        outcome = Outcome(job, "done", 2.0, ("said",), target=Path("b.png"), findings=findings)
        page = Page(Path("report"), WORDS)
        page.add_outcome(outcome, "done", None, Scores(30.0, 0.5, ("more",), 10.0))
        page.add_outcome(Outcome(job, "skipped", error="done"), "skipped", "done", None)
        page.add_outcome(outcome, "done", None, Scores(math.inf, math.nan, (), math.inf))
        found, skipped, equal = (tile.entry for tile in page.tiles)
        assert (found.sigma, found.gain, found.notes) == (pytest.approx(25.5), 10.0, ("said", "more"))
        assert (skipped.target, skipped.error) == (Path("b.png"), "done")
        assert (equal.psnr, equal.ssim, equal.gain) == (None, None, None)


class TestFolder:
    def test_a_folder_of_something_else_is_refused(self) -> None:
        Path("mine").mkdir()
        Path("mine/letter.txt").write_text("keep")
        with pytest.raises(
            UsageError, match="--report mine: holds files, and no report; name a new or empty"
        ):
            Page(Path("mine"), WORDS)
        Path("mine/index.html").write_text("<html>my own page</html>")
        with pytest.raises(UsageError, match="holds files, and no report"):
            Page(Path("mine"), WORDS)
        assert Path("mine/letter.txt").read_text() == "keep"

    def test_a_file_and_a_folder_that_cannot_be_made_are_refused(self) -> None:
        Path("file").write_text("")
        with pytest.raises(UsageError, match="--report file: is a file"):
            Page(Path("file"), WORDS)
        with pytest.raises(UsageError, match=r"--report file/inside/index.html: cannot be written"):
            Page(Path("file/inside"), WORDS)

    def test_nothing_is_made_before_something_is_shown(self) -> None:
        Page(Path("report"), WORDS)
        assert not Path("report").exists()

    def test_a_report_of_ours_is_renewed_and_what_is_not_ours_in_it_stays(self) -> None:
        written(pair("a.png", 3), pair("b.png", 3))
        Path("report/report-files/mine.jpg").write_text("keep")
        assert 'data-name="c.png"' in written(pair("c.png", 3))
        names = {path.name for path in Path("report/report-files").iterdir()}
        assert names == {"00001.jpg", "mine.jpg"}

    def test_an_empty_folder_is_taken(self) -> None:
        Path("report").mkdir()
        assert "0 done" in written()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if EXECUTABLE is None:
        pytest.skip("no Chromium is installed")
    with browser(tmp_path_factory.mktemp("profile")) as seen:
        yield seen


NAMES = "[...document.querySelectorAll('.tile')].filter(t => !t.hidden).map(t => t.dataset.name).join(' ')"
LOADED = "['before', 'after'].every(id => document.getElementById(id).naturalWidth > 0)"
CUT = (
    "parseFloat(getComputedStyle(document.getElementById('after')).clipPath.split('px ').pop().slice(0, -3))"
)
WIDTH = "document.getElementById('both').clientWidth"


class TestInABrowser:
    @pytest.fixture(autouse=True)
    def fresh(self, chromium: Browser) -> None:
        chromium.problems.clear()
        chromium.media("light")
        chromium.scripts(allowed=True)

    def report(self) -> Path:
        written(
            pair("p10.png", 5, psnr=30.0, gain=1.0),
            pair("p9.png", 50, psnr=25.0, gain=10.0),
            pair("p1.png", 20.5),
            Entry(Path("in/broken.png"), None, "failed", error="in/broken.png: damaged"),
        )
        return Path("report/index.html")

    def test_tiles_are_sorted_and_found(self, chromium: Browser) -> None:
        chromium.open(self.report())
        sort = "sort.value = '{}'; sort.dispatchEvent(new Event('change'))"
        assert chromium.run(NAMES) == "p1.png p9.png p10.png"
        chromium.run(sort.format("sigma"))
        assert chromium.run(NAMES) == "p10.png p1.png p9.png"
        chromium.click("#descending")
        assert chromium.run(NAMES) == "p9.png p1.png p10.png"
        chromium.run(sort.format("gain"))
        assert chromium.run(NAMES) == "p9.png p10.png p1.png"  # what has none comes last, either way
        chromium.click("#find")
        for key in "P1":
            chromium.key(key)
        assert chromium.run(NAMES) == "p10.png p1.png"
        assert chromium.problems == []

    def test_the_slider_moves_by_mouse_and_keys(self, chromium: Browser) -> None:
        chromium.open(self.report())
        chromium.click(".tile a.open")
        chromium.wait(LOADED)
        half = chromium.run(CUT)
        assert half == pytest.approx(chromium.run(WIDTH) / 2, abs=2)
        x, y = chromium.middle("#stage")
        for kind, along in (("mousePressed", 0), ("mouseMoved", 150), ("mouseReleased", 150)):
            chromium.mouse(kind, x + along, y)
        assert chromium.run(CUT) == pytest.approx(half + 150, abs=2)
        chromium.mouse("mouseMoved", x - 200, y)
        assert chromium.run(CUT) == pytest.approx(half + 150, abs=2)
        chromium.key("ArrowLeft")
        assert chromium.run(CUT) < half + 150
        chromium.key("b")
        assert chromium.run(CUT) == chromium.run(WIDTH)
        assert chromium.problems == []

    def test_left_of_the_divider_is_the_input_and_right_of_it_the_result(
        self, chromium: Browser, tmp_path: Path
    ) -> None:
        chromium.open(self.report())
        chromium.click(".tile a.open")
        chromium.wait(LOADED)
        x, y = (int(place) for place in chromium.middle("#stage"))
        chromium.picture(tmp_path / "seen.png")
        with Image.open(tmp_path / "seen.png") as seen:
            left, right = (seen.convert("L").getpixel((x + along, y)) for along in (-60, 60))
        assert (left, right) == (40, 200)

    def test_zoom_shows_a_pixel_as_one_and_as_four(self, chromium: Browser) -> None:
        chromium.open(self.report())
        chromium.click(".tile a.open")
        chromium.wait(LOADED)
        assert chromium.run(WIDTH) > 500  # fits the window
        ratio = chromium.run("devicePixelRatio")
        for key, factor in (("1", 1), ("2", 2)):
            chromium.key(key)
            assert chromium.run(WIDTH) == 90 * factor / ratio
        chromium.click("[data-zoom='0']")
        assert chromium.run(WIDTH) > 500

    def test_keys_go_from_picture_to_picture_and_out(self, chromium: Browser) -> None:
        chromium.open(self.report())
        chromium.click(".tile a.open")
        titles = []
        for key in ("n", "n", "n", "p"):
            titles.append(chromium.run("document.getElementById('title').textContent"))
            chromium.key(key)
        assert titles == ["p1.png", "p9.png", "p10.png", "p10.png"]
        chromium.key("Escape")
        chromium.wait("!document.getElementById('viewer').open")

    def test_a_picture_that_was_moved_is_told(self, chromium: Browser) -> None:
        page = self.report()
        Path("out/p1.png").unlink()
        chromium.open(page)
        chromium.click(".tile a.open")
        chromium.wait("!document.getElementById('lost').hidden")
        text = chromium.run("document.getElementById('lost').textContent")
        assert text.startswith("Not at its place any more: file:///")
        assert text.endswith("/out/p1.png")

    def test_without_scripts_all_is_there(self, chromium: Browser) -> None:
        chromium.scripts(allowed=False)
        chromium.open(self.report())
        assert chromium.run("document.querySelectorAll('.tile').length") == 3
        assert chromium.run("document.getElementById('tools').hidden")
        text = chromium.run("document.body.innerText")
        assert "σ 20.5" in text
        assert "broken.png: in/broken.png: damaged" in text
        chromium.wait("[...document.querySelectorAll('.tile img')].every(i => i.naturalWidth === 90)")

    def test_hostile_names_run_nothing(self, chromium: Browser) -> None:
        code = "document.title='taken'"
        note = f'\'"><img src=x onerror="{code}"><script>{code}</script>\n.png'
        written(pair(note.replace("/", "\N{FRACTION SLASH}"), 3, notes=(note,)))
        chromium.open(Path("report/index.html"))
        chromium.click(".tile a.open")
        chromium.wait(LOADED)
        assert chromium.run("document.title") == "genrestore: 1 done"
        assert chromium.run("document.querySelectorAll('img[src=x]').length") == 0
        assert chromium.problems == []

    def test_dark_and_light(self, chromium: Browser) -> None:
        chromium.open(self.report())
        ground = "getComputedStyle(document.body).backgroundColor"
        light = chromium.run(ground)
        chromium.media("dark")
        assert (light, chromium.run(ground)) == ("rgb(246, 246, 244)", "rgb(22, 22, 21)")
