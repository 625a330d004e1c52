"""Values of the shared options: units, limits, home folders, streams."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from genrestore.cli import commands, damage, options
from genrestore.cli.commands import Record
from genrestore.errors import UsageError
from genrestore.runtime import MAX_SEED, MAX_THREADS


@pytest.mark.parametrize(("given", "level"), [("0", 0.0), ("12.75", 0.05), ("255", 1.0), ("63.75", 0.25)])
def test_sigma_is_in_grey_levels_and_becomes_the_unit_scale(given: str, level: float) -> None:
    assert options.parse_sigma(given) == pytest.approx(level)
    assert options.to_grey_levels(options.parse_sigma(given)) == pytest.approx(float(given))


@pytest.mark.parametrize(("given", "factor"), [("2x", 2), (" 0.5X", 0.5), ("100x", 100), ("1x", 1)])
def test_sigma_may_be_times_the_estimate(given: str, factor: float) -> None:
    assert options.parse_noise_level(given) == options.NoiseLevel(None, factor)
    assert options.parse_noise_level(options.NoiseLevel(None, factor)) == (None, factor)


def test_sigma_in_grey_levels_leaves_the_estimate_out() -> None:
    assert options.parse_noise_level("51") == options.NoiseLevel(0.2, 1.0)


@pytest.mark.parametrize("given", ["nanx", "-1x", "infx", "x", "2xx", "101x", "1e3x"])
def test_times_that_cannot_be_meant(given: str) -> None:
    with pytest.raises(UsageError, match=f"^--sigma {given}: such as 2x, up to 100x, is times the estimate$"):
        options.parse_noise_level(given)


def test_no_times_the_estimate_is_another_wish() -> None:
    with pytest.raises(UsageError, match=r"^--sigma 0x: must be above 0 .*; --sigma 0 keeps the picture$"):
        options.parse_noise_level("0x")


@pytest.mark.parametrize("name", ["strength", "luma", "chroma"])
def test_more_than_all_of_the_restoration_is_a_higher_noise_level(name: str) -> None:
    parse = option(name).parser
    with pytest.raises(UsageError, match=f"^--{name} 1.5: must be from 0 to 1; for more of it, .* 2x the "):
        parse("1.5")
    for value in ("nan", "-0.1", "half", "-inf"):
        with pytest.raises(UsageError, match=f"^--{name} {value}: must be (a number )?from 0 to 1$"):
            parse(value)


WRONG = {
    "sigma": ["nan", "-1", "255.1", "inf", "-inf", "ten", ""],
    "strength": ["nan", "-0.1", "1.01", "half"],
    "threads": ["0", "-1", "1.5", "two", str(MAX_THREADS + 1)],
    "max_pixels": ["0", "1e6", "many"],
    "seed": ["-1", str(MAX_SEED + 1), "0.5", "x"],
    "steps": ["0", "100001", "some"],
}
CASES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_wrong_value_is_named_with_its_option(name: str, value: str) -> None:
    spelled = "--" + name.replace("_", "-")
    with pytest.raises(UsageError, match=f"^{spelled} {value}: .*(from [01] to |1 or more)"):
        option(name).parser(value)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "bright", "1000"])
def test_brightness_is_above_0(value: str) -> None:
    with pytest.raises(
        UsageError, match=r"^--raw-brightness .*: must be (a number )?above 0 and less than 1000$"
    ):
        option("raw_brightness").parser(value)
    assert option("raw_brightness").parser("1.5") == 1.5


def test_a_range_is_two_numbers() -> None:
    found = option("levels").parser("0,1500.5")
    assert (found.low, found.high, str(found)) == (0, 1500.5, "0,1500.5")
    with pytest.raises(UsageError, match=r"^--range 5,1: must be LOW,HIGH"):
        option("levels").parser("5,1")


@pytest.mark.parametrize(("name", "value"), [("threads", MAX_THREADS), ("seed", MAX_SEED)])
def test_whole_numbers(name: str, value: int) -> None:
    assert option(name, damage.Inpaint).parser(str(value)) == value


def test_a_hole_grows_by_a_number_or_by_itself() -> None:
    parse = option("grow", damage.Inpaint).parser
    assert [(found.by, found.auto) for found in map(parse, ("1000", "auto"))] == [(1000, False), (0, True)]


@pytest.mark.parametrize("value", ["0", "3", "16", "-1", "two", "1.0", ""])
def test_turns_are_a_power_of_two(value: str) -> None:
    parse = option("turns").parser
    with pytest.raises(UsageError, match=f"^--turns {value}: must be one of 1, 2, 4, 8$"):
        parse(value)
    assert [parse(count) for count in ("1", 2, "4", "8")] == [1, 2, 4, 8]


def option(name: str, command: type[Record] = damage.Denoise) -> Any:
    """The option of a field of a command."""
    return {one.name: one.annotation for one in command.parameters()}[name].__metadata__[0]


def test_searches_have_the_options_of_their_settings() -> None:
    help = option("steps").help
    assert help.endswith("stops by itself (autoencoders: 200; generators: 300; dip: 5000).")
    assert option("step_size").help.endswith(" (0.05).")
    assert option("rate").default == "--lr"
    with pytest.raises(UsageError, match=r"^--step-size 2.0: must be above 0 and at most 1$"):
        option("step_size").parser("2")
    with pytest.raises(UsageError, match=r"^--prior-weight much: must be a number from 0 to 1000000$"):
        option("prior_weight").parser("much")
    names = {one.name for one in damage.Invert.parameters()}
    assert {"steps", "restarts", "loss"} <= names
    assert not {"refine", "step_size", "turns", "prior"} & names


@dataclass(frozen=True, kw_only=True)
class Example(Record):
    """A command that does nothing,
    at length.

    Arguments:
        place (PATH): Where.

    Options (Machine):
        count (-n N, 2 to 5): How
            many.
        home ($EXAMPLE_HOME FOLDER): Whose.
        on: Whether.
    """

    place: Path
    count: int = 3
    home: str | None = None
    on: bool = False
    quiet: bool = False
    left_out: int = 7


def test_a_record_tells_its_options_once() -> None:
    assert commands.about(Example) == "A command that does nothing, at length."
    options = {one.name: one for one in Example.parameters()}
    assert list(options) == ["place", "count", "home", "on", "quiet"]
    shown = {name: one.annotation.__metadata__[0] for name, one in options.items()}
    assert (shown["count"].default, *shown["count"].param_decls) == ("--count", "-n")
    assert (shown["count"].help, shown["count"].metavar, shown["count"].rich_help_panel) == (
        "How many.",
        "N",
        "Machine",
    )
    assert shown["count"].parser("5") == 5
    with pytest.raises(UsageError, match=r"^--count 6: must be from 2 to 5$"):
        shown["count"].parser("6")
    assert (shown["home"].envvar, shown["home"].parser("a")) == ("EXAMPLE_HOME", "a")
    assert shown["place"].parser("a/b") == Path("a/b")
    assert shown["on"].metavar == ""
    assert shown["quiet"].param_decls == ("-q",)


def test_defaults_are_parsed_too() -> None:
    assert option("strength").parser(1.0) == 1.0
    assert not math.isnan(options.parse_sigma(0))


def test_home_is_expanded_unless_a_file_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "own"))
    monkeypatch.chdir(tmp_path)
    assert options.expand("~/a.png") == f"{tmp_path}/own/a.png"
    assert options.expand("~nobody-of-that-name.png") == "~nobody-of-that-name.png"
    Path("~").mkdir()
    Path("~/a.png").touch()
    assert options.expand("~/a.png") == "~/a.png"


@pytest.mark.parametrize("given", ["-", "out/", "photo", "a b.png"])
def test_other_paths_stay_as_they_are(given: str) -> None:
    assert options.expand(given) == given


def check(inputs: list[str], output: str | None = None, **given: Any) -> None:
    context: Any = SimpleNamespace(get_help=lambda: "the help")
    damage.Denoise(inputs=inputs, output=output, **given).named(context)


def on_a_terminal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"sys.{name}.isatty", lambda: True, raising=False)


def test_stdin_of_a_terminal_shows_the_help_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    on_a_terminal("stdin", monkeypatch)
    with pytest.raises(UsageError, match="stdin is a terminal"):
        check(["a.png", "-"])
    assert capsys.readouterr() == ("", "the help\n")
    check(["a.png"])


def test_stdout_carries_one_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    for inputs, output in ((["a.png"], "-"), (["-"], "-"), (["-"], None)):
        with pytest.raises(UsageError, match="--json and the picture both want stdout; give --json-file"):
            check(inputs, output, json=True)
        check(inputs, output, json=True, json_file=Path("lines.json"))
    check(["a.png"], "out.png", json=True)
    check(["-"], "out.png", json=True)
    on_a_terminal("stdout", monkeypatch)
    with pytest.raises(UsageError, match="stdout is a terminal"):
        check(["a.png"], "-")


def test_every_option_has_help() -> None:
    infos = [one.annotation.__metadata__[0] for each in damage.COMMANDS.values() for one in each.parameters()]
    assert all(info.help and isinstance(info, typer.models.ParameterInfo) for info in infos)
    assert len(infos) >= 100
