"""The plan: names, what exists, which files of a folder, and what cannot be meant."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from genrestore.errors import NoInputError, UsageError
from genrestore.files.plan.jobs import Job, OutputOptions, Shard, comparison_path
from genrestore.files.plan.outputs import plan
from tests.files import make
from tests.files.make import touch


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(*inputs: str, **options: Any) -> list[Job]:
    return plan(inputs, OutputOptions(**options))


def targets(*inputs: str, **options: Any) -> list[str | None]:
    return [None if job.target is None else str(job.target) for job in planned(*inputs, **options)]


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


class TestOneFile:
    @pytest.mark.parametrize(
        ("name", "target", "format"),
        [
            ("photo.png", "photo.denoised.png", "PNG"),
            ("IMG.JPG", "IMG.denoised.JPG", "JPEG"),
            ("a.b.tiff", "a.b.denoised.tiff", "TIFF"),
            ("a.webp", "a.denoised.webp", "WEBP"),
            ("a.bmp", "a.denoised.png", "PNG"),
            ("a.gif", "a.denoised.png", "PNG"),
            ("a b 'c'.jpeg", "a b 'c'.denoised.jpeg", "JPEG"),
            ("-x.png", "-x.denoised.png", "PNG"),
            ("a\nb.png", "a\nb.denoised.png", "PNG"),
        ],
    )
    def test_goes_beside_the_input(self, name: str, target: str, format: str) -> None:
        touch(name)
        assert planned(name) == [Job(Path(name), Path(target), format)]

    def test_without_a_suffix_the_content_counts(self) -> None:
        make.save(Path("plain.jpg"), make.smooth(3)).rename("plain")
        assert planned("plain") == [Job(Path("plain"), Path("plain.denoised.jpg"), "JPEG")]

    def test_to_a_file(self) -> None:
        touch("a.png")
        assert planned("a.png", output="b.jpg") == [Job(Path("a.png"), Path("b.jpg"), "JPEG")]
        assert targets("a.png", output="new/b.tif") == ["new/b.tif"]

    @pytest.mark.parametrize("output", ["out/", "out", "./out"])
    def test_to_a_folder(self, output: str) -> None:
        touch("a.png", "out/other.png")
        assert targets("a.png", output=output) == ["out/a.png"]

    def test_to_a_folder_that_is_made(self) -> None:
        touch("a.bmp")
        assert targets("a.bmp", output="new/") == ["new/a.png"]
        assert not Path("new").exists()

    @pytest.mark.parametrize(
        ("output", "message"),
        [
            ("b.xyz", r"--output b\.xyz: suffix '\.xyz' is not written; end it in one of \.png, \.jpg"),
            ("b.bmp", r"--output b\.bmp: suffix '\.bmp' is not written"),
            ("b", r"--output b: no suffix; end it in one of \.png.*or in / for a folder"),
        ],
    )
    def test_another_suffix_is_wrong_use(self, output: str, message: str) -> None:
        touch("a.png")
        with pytest.raises(UsageError, match=message):
            planned("a.png", output=output)

    def test_a_missing_one_stays_in_the_plan(self) -> None:
        assert planned("gone.png") == [Job(Path("gone.png"), Path("gone.denoised.png"), "PNG")]

    def test_in_place(self) -> None:
        touch("a.png")
        assert planned("a.png", in_place=True) == [Job(Path("a.png"), Path("a.png"), None)]


class TestStreams:
    def test_through(self) -> None:
        assert planned("-") == planned("-", output="-") == [Job(None, None, None)]

    def test_into_a_file(self) -> None:
        assert planned("-", output="b.tif") == [Job(None, Path("b.tif"), "TIFF")]

    def test_out_of_a_file(self) -> None:
        touch("a.png")
        assert planned("a.png", output="-") == [Job(Path("a.png"), None, None)]

    @pytest.mark.parametrize(
        ("inputs", "options", "message"),
        [
            (["-", "a.png"], {}, "stands alone"),
            (["-"], {"output": "out/"}, "standard input has no name; name a file"),
            (["a.png", "b.png"], {"output": "-"}, "takes one picture; name a folder"),
            (["in"], {"output": "-"}, "takes one picture"),
            (["-"], {"in_place": True}, "--in-place needs files"),
            (["-"], {"compare": True}, "--compare needs an output file"),
            (["a.png"], {"output": "-", "compare": True}, "--compare needs an output file"),
            (["a.png"], {"output": "b.png", "in_place": True}, "contradict each other"),
        ],
    )
    def test_what_cannot_be_meant(self, inputs: list[str], options: dict[str, Any], message: str) -> None:
        touch("a.png", "b.png", "in/c.png")
        with pytest.raises(UsageError, match=message):
            planned(*inputs, **options)


class TestSeveral:
    def test_beside_each(self) -> None:
        touch("a.png", "in/b.jpg")
        assert targets("a.png", "in/b.jpg") == ["a.denoised.png", "in/b.denoised.jpg"]

    def test_into_a_folder_names_kept(self) -> None:
        touch("a.png", "in/b.jpg")
        assert targets("a.png", "in/b.jpg", output="out") == ["out/a.png", "out/b.jpg"]

    @pytest.mark.parametrize("output", ["a.txt", "out.png"])
    def test_into_a_file_is_wrong_use(self, output: str) -> None:
        touch("a.png", "b.png", "a.txt")
        with pytest.raises(UsageError, match=rf"--output {output}: a file, and several inputs need a folder"):
            planned("a.png", "b.png", output=output)

    def test_one_of_them_twice_is_done_once(self) -> None:
        touch("in/a.png")
        jobs = planned("in/a.png", "./in/a.png", "in", output="out")
        assert [job.skipped for job in jobs] == [None, "named before", "named before"]
        assert [str(job.target) for job in jobs if not job.skipped] == ["out/a.png"]

    def test_nothing(self) -> None:
        with pytest.raises(NoInputError, match="no input is named"):
            planned()


class TestCollisions:
    def test_different_suffixes_do_not_collide(self) -> None:
        touch("in/1.jpg", "in/1.png")
        assert targets("in", output="out") == ["out/1.jpg", "out/1.png"]
        assert targets("in") == ["in/1.denoised.jpg", "in/1.denoised.png"]

    def test_the_one_that_keeps_its_suffix_keeps_its_name(self) -> None:
        touch("in/1.bmp", "in/1.gif", "in/1.png")
        assert targets("in", output="out") == ["out/1.bmp.png", "out/1.gif.png", "out/1.png"]
        assert targets("in") == ["in/1.bmp.denoised.png", "in/1.gif.denoised.png", "in/1.denoised.png"]

    def test_equal_names_of_different_folders(self) -> None:
        touch("a/1.png", "b/1.png", "c/1.png")
        names = targets("a", "b", "c", output="out")
        assert names == ["out/1.png", "out/1-2.png", "out/1-3.png"]

    def test_with_a_comparison(self) -> None:
        touch("a/1.png", "b/1.compare.png", "c/1.png")
        names = targets("a/1.png", "b/1.compare.png", "c/1.png", output="out", compare=True)
        both = [str(comparison_path(Path(name or ""))) for name in names]
        assert len({*names, *both}) == 6


class TestLongNames:
    """A name that its folder cannot hold is said before the work, and what is written beside counts."""

    @pytest.mark.parametrize(("stem", "fits"), [(242, True), (243, False)])
    def test_beside_the_input(self, stem: int, fits: bool) -> None:
        touch("a" * stem + ".png")
        (job,) = planned("a" * stem + ".png")
        assert job.is_open == fits
        if not fits:
            assert "a name of 256 bytes, and its folder takes 255" in (job.problem or "")

    def test_bytes_count_and_not_letters(self) -> None:
        touch("ü" * 123 + ".png")
        assert "a name of 259 bytes" in (planned("ü" * 123 + ".png")[0].problem or "")
        assert planned("ü" * 123 + ".png", output="out/")[0].is_open
        assert not planned("ü" * 123 + ".png", output="out/", compare=True)[0].is_open

    def test_the_others_of_a_folder_are_done(self) -> None:
        touch("in/" + "a" * 251 + ".png", "in/b.png")
        assert [job.is_open for job in planned("in")] == [False, True]


class TestFolders:
    def test_pictures_are_taken_and_the_rest_is_said(self) -> None:
        touch(
            "in/a.png",
            "in/broken.jpg",
            "in/notes.txt",
            "in/.hidden.png",
            "in/sub/c.png",
            "in/z.heic",
            "in/r.nef",
        )
        touch(
            "in/b.denoised.png",
            "in/b.inpainted.jpg",
            "in/b.denoised.compare.png",
            "in/.genrestore-0123abcd-0123abcd.tmp",
        )
        make.save(Path("in/known.jpg"), make.smooth(3)).rename("in/known")
        jobs = {job.source.name: job.skipped for job in planned("in", output="out") if job.source}
        own = "an output of genrestore; name it to take it as an input"
        assert jobs == {
            ".hidden.png": "a hidden file",
            "a.png": None,
            "b.denoised.compare.png": own,
            "b.denoised.png": own,
            "b.inpainted.jpg": own,
            "broken.jpg": None,
            "known": None,
            "r.nef": None,
            "z.heic": None,
            "notes.txt": "not a picture",
            "sub": "a folder inside the folder; -r goes into it",
        }

    def test_own_outputs_are_told_by_their_provenance(self) -> None:
        touch("in/a.png")
        for name, format in [("b.png", "PNG"), ("c.jpg", "JPEG"), ("d.tif", "TIFF"), ("e.webp", "WEBP")]:
            Path(f"in/{name}").write_bytes(
                make.encoded(make.plain(make.smooth(3)), format, {"tool": "genrestore"})
            )
        taken = [job.source for job in planned("in", output="out") if not job.skipped]
        assert taken == [Path("in/a.png")]
        assert targets("in/b.png", output="out/") == ["out/b.png"], "unless named"

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            ([], "in: no picture to restore$"),
            (["in/a.txt"], "in: no picture to restore$"),
            (
                ["in/a.denoised.png", "in/b.denoised.png"],
                "2 outputs of genrestore are left out, name the files",
            ),
        ],
    )
    def test_without_a_picture(self, names: list[str], message: str) -> None:
        Path("in").mkdir()
        touch(*names)
        with pytest.raises(NoInputError, match=message):
            planned("in", output="out")

    def test_a_pipe_and_a_dead_link(self) -> None:
        touch("in/a.png")
        os.mkfifo("in/pipe.png")
        Path("in/dead.png").symlink_to("nowhere")
        jobs = {job.name: job.skipped for job in planned("in", output="out")}
        assert jobs == {"in/a.png": None, "in/dead.png": None, "in/pipe.png": "not a regular file"}

    def test_a_name_that_is_too_long_fails_later(self) -> None:
        assert planned("x" * 300 + ".png", output="out/")[0].skipped is None

    def test_that_cannot_be_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        touch("in/a.png")

        def refuse(_: Path) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "iterdir", refuse)
        message = "in: the folder cannot be read (Permission denied)"
        assert planned("in", "b.png") == [
            Job(Path("in"), None, None, problem=message),
            Job(Path("b.png"), Path("b.denoised.png"), "PNG"),
        ]

    def test_planning_is_cheap_to_import(self) -> None:
        import subprocess

        heavy = "sorted({'torch', 'PIL', 'numpy'} & set(sys.modules))"
        code = f"import sys, genrestore.files.plan.outputs; print({heavy})"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout == "[]\n"


class TestTrees:
    def test_are_mirrored(self) -> None:
        touch("in/a.png", "in/x/a.png", "in/x/y/b.jpg")
        names = ["out/a.png", "out/x/a.png", "out/x/y/b.jpg"]
        assert targets("in", output="out", recursive=True) == names
        assert targets("in/x", output="out", recursive=True) == ["out/a.png", "out/y/b.jpg"]
        assert targets("in", recursive=True)[2] == "in/x/y/b.denoised.jpg"

    def test_several_in_one_folder_do_not_collide(self) -> None:
        touch("one/x/a.png", "two/x/a.png")
        assert targets("one", "two", output="out", recursive=True) == ["out/x/a.png", "out/x/a-2.png"]

    def test_a_result_where_a_folder_of_results_would_be(self) -> None:
        touch("one/a.png/b.png", "two/a.png")
        with pytest.raises(UsageError, match=r"out/a\.png/b\.png: the output out/a\.png is where its folder"):
            planned("one", "two", output="out", recursive=True)


class TestSuffix:
    def test_goes_between_stem_and_suffix_everywhere(self) -> None:
        touch("a.png", "in/b.bmp")
        assert targets("a.png", suffix="clean") == ["a.clean.png"]
        assert targets("a.png", suffix="clean", output="out/") == ["out/a.clean.png"]
        assert targets("a.png", "in", suffix="clean", output="out") == ["out/a.clean.png", "out/b.clean.png"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"output": "b.png"}, r"--suffix names files in a folder, and --output b\.png is a name"),
            ({"output": "-"}, "--suffix names files, and the output is -"),
            ({"in_place": True}, "--in-place and --suffix contradict each other"),
        ],
    )
    def test_what_cannot_be_meant(self, options: dict[str, Any], message: str) -> None:
        touch("a.png")
        with pytest.raises(UsageError, match=message):
            planned("a.png", suffix="clean", **options)


class TestFormat:
    def test_decides_the_suffix_but_keeps_one_that_fits(self) -> None:
        touch("in/a.png", "in/b.JPEG", "in/c.bmp", "in/d.webp")
        jobs = planned("in", output="out", format="JPEG")
        assert [str(job.target) for job in jobs] == ["out/a.jpg", "out/b.JPEG", "out/c.jpg", "out/d.jpg"]
        assert {job.format for job in jobs} == {"JPEG"}
        assert targets("in/a.png", format="TIFF") == ["in/a.denoised.tif"]

    def test_two_of_one_stem_do_not_collide(self) -> None:
        touch("in/1.jpg", "in/1.png", "in/1.tif")
        assert targets("in", output="out", format="PNG") == ["out/1.jpg.png", "out/1.png", "out/1.tif.png"]

    def test_of_standard_output(self) -> None:
        assert planned("-", format="WEBP") == [Job(None, None, "WEBP")]

    def test_agrees_with_the_name_of_a_file(self) -> None:
        touch("a.png")
        assert targets("a.png", output="b.jpeg", format="JPEG") == ["b.jpeg"]
        with pytest.raises(UsageError, match=r"--output b\.png is PNG, and --format says JPEG; give one"):
            planned("a.png", output="b.png", format="JPEG")
        with pytest.raises(UsageError, match="--in-place and --format contradict each other"):
            planned("a.png", in_place=True, format="JPEG")


class TestShards:
    def shares(self, *inputs: str, count: int = 3, **options: Any) -> list[list[str]]:
        planned_shares = [
            planned(*inputs, shard=Shard(index, count), output="out", **options)
            for index in range(1, count + 1)
        ]
        return [[str(job.target) for job in share if job.is_open] for share in planned_shares]

    def test_are_the_whole_plan_in_parts(self) -> None:
        touch(*[f"in/{n}.png" for n in range(7)], "in/0.jpg", "in/x/0.png")
        whole = targets("in", output="out", recursive=True)
        shares = self.shares("in", recursive=True)
        assert sorted(name for share in shares for name in share) == sorted(map(str, whole))
        assert [len(share) for share in shares] == [3, 3, 3]

    def test_do_not_depend_on_the_order_of_the_words(self) -> None:
        touch("a/1.png", "b/1.png", "c/1.png")
        assert self.shares("a", "b", "c") == self.shares("c", "a", "b")
        assert self.shares("a", "b", "c") == [["out/1.png"], ["out/1-2.png"], ["out/1-3.png"]]

    def test_do_not_move_when_others_have_written(self) -> None:
        touch(*[f"in/{n}.png" for n in range(6)])
        before = [[job.target for job in planned("in", shard=Shard(i, 2)) if job.is_open] for i in (1, 2)]
        for target in before[0]:
            touch(str(target))
        assert [job.target for job in planned("in", shard=Shard(2, 2)) if job.is_open] == before[1]
        with pytest.raises(UsageError, match="exists already, and 2 more of 3 outputs"):
            planned("in", shard=Shard(1, 2))

    def test_what_is_no_input_is_told_once(self) -> None:
        touch("in/a.png", "in/b.png", "in/c.txt")
        shares = [planned("in", shard=Shard(index, 2), output="out") for index in (1, 2)]
        assert [[job.name for job in share] for share in shares] == [["in/c.txt", "in/a.png"], ["in/b.png"]]

    def test_may_be_empty_but_not_all(self) -> None:
        touch("in/a.png", "empty/a.txt")
        assert planned("in", shard=Shard(2, 2), output="out") == []
        with pytest.raises(NoInputError):
            planned("empty", shard=Shard(2, 2), output="out")

    def test_no_output_is_an_input_of_another_share(self) -> None:
        touch("in/a.png", "out/a.png")
        for index in (1, 2):
            with pytest.raises(UsageError, match=r"out/a\.png: the output is the input out/a\.png"):
                planned("in", "out", output="out", overwrite=True, shard=Shard(index, 2))

    def test_need_files(self) -> None:
        with pytest.raises(UsageError, match="--shard needs files, and the input is -"):
            planned("-", shard=Shard(1, 2))


class TestSkipExisting:
    def own(self, name: str) -> None:
        touch(name)
        Path(name).write_bytes(make.encoded(make.plain(make.smooth(3)), "PNG", {"tool": "genrestore"}))

    def test_own_and_damaged_results_are_no_reason_to_refuse(self) -> None:
        touch("in/a.png", "in/b.png")
        self.own("out/a.png")
        self.own("out/b.png")
        Path("out/b.png").write_bytes(Path("out/b.png").read_bytes()[:-40])
        assert targets("in", output="out", skip_existing=True) == ["out/a.png", "out/b.png"]

    def test_someone_elses_picture_is(self) -> None:
        touch("in/a.png", "in/b.png", "out/x")
        make.save(Path("out/b.png"), make.smooth(3))
        message = r"^out/b\.png: exists already; and genrestore did not note that it made it; --overwrite"
        with pytest.raises(UsageError, match=message):
            planned("in", output="out", skip_existing=True)
        assert len(planned("in", output="out", skip_existing=True, overwrite=True)) == 2
        assert len(planned("in", output="out", skip_existing=True, provenance=False)) == 2

    @pytest.mark.parametrize(
        ("words", "options", "message"),
        [
            ("-", {"output": "b.png"}, "--skip-existing needs files, and the input is -"),
            ("a.png", {"output": "-"}, "--skip-existing needs an output file"),
            ("a.png", {"in_place": True, "provenance": False}, "leave out --no-provenance"),
        ],
    )
    def test_what_cannot_be_meant(self, words: str, options: dict[str, Any], message: str) -> None:
        touch("a.png")
        with pytest.raises(UsageError, match=message):
            planned(words, skip_existing=True, **options)


def test_a_list_of_one_is_a_list() -> None:
    touch("a.png")
    assert plan(["a.png"], OutputOptions(output="out"), listed=True)[0].target == Path("out/a.png")
    with pytest.raises(UsageError, match=r"--output b\.png: a file, and several inputs need a folder"):
        plan(["a.png"], OutputOptions(output="b.png"), listed=True)


class TestNoInputIsHarmed:
    def aliases(self) -> dict[str, str]:
        touch("a.png")
        Path("link.png").symlink_to("a.png")
        os.link("a.png", "hard.png")
        Path("sub").mkdir()
        return {
            "itself": "a.png",
            "spelling": "./sub/../a.png",
            "symbolic": "link.png",
            "hard": "hard.png",
            "folder": "./",
            "absolute": str(Path("a.png").resolve()),
        }

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize("alias", ["itself", "spelling", "symbolic", "hard", "folder", "absolute"])
    def test_an_output_that_is_the_input(self, alias: str, overwrite: bool) -> None:
        output = self.aliases()[alias]
        before = contents()
        with pytest.raises(UsageError, match=r"the output is the input a\.png; --in-place replaces inputs"):
            planned("a.png", output=output, overwrite=overwrite)
        assert contents() == before

    def test_an_output_that_is_another_input(self) -> None:
        touch("a.png", "out/b.png", "b.png")
        with pytest.raises(UsageError, match=r"out/b\.png: the output is the input out/b\.png"):
            planned("b.png", "out/b.png", "a.png", output="out", overwrite=True)

    def test_a_comparison_that_is_an_input(self) -> None:
        touch("a.png", "out/a.compare.png")
        with pytest.raises(UsageError, match=r"out/a\.compare\.png: the output is the input"):
            planned("a.png", "out/a.compare.png", output="out", compare=True, overwrite=True)


class TestWhatExists:
    def test_results_beside_the_inputs_of_a_folder_are_replaced_when_asked(self) -> None:
        touch("in/a.png", "in/a.denoised.png")
        assert targets("in", overwrite=True) == [None, "in/a.denoised.png"]

    def test_is_refused_with_the_first_and_the_count(self) -> None:
        touch("a.png", "b.png", "c.png", "out/b.png", "out/c.png")
        message = r"out/b\.png: exists already, and 1 more of 3 outputs; --overwrite replaces what exists"
        with pytest.raises(UsageError, match=message):
            planned("a.png", "b.png", "c.png", output="out")
        assert targets("a.png", "b.png", "c.png", output="out", overwrite=True)[1] == "out/b.png"

    def test_one(self) -> None:
        touch("a.png", "a.denoised.png")
        with pytest.raises(UsageError, match=r"a\.denoised\.png: exists already; --overwrite"):
            planned("a.png")

    def test_a_link_to_nowhere_exists(self) -> None:
        touch("a.png")
        Path("b.png").symlink_to("nowhere.png")
        with pytest.raises(UsageError, match=r"b\.png: exists already"):
            planned("a.png", output="b.png")

    def test_a_folder_is_never_replaced(self) -> None:
        touch("in/a.png", "out/a.png/x")
        with pytest.raises(UsageError, match=r"out/a\.png: a folder is where this output would go"):
            planned("in", output="out", overwrite=True)

    def test_comparisons_count(self) -> None:
        touch("a.png", "a.denoised.compare.png")
        with pytest.raises(UsageError, match=r"a\.denoised\.compare\.png: exists already"):
            planned("a.png", compare=True)
