"""Values of the shared options: units, limits, home folders, streams."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import pytest
import typer

from genrestore.cli import damage, options, restore
from genrestore.errors import UsageError
from genrestore.runtime import DEVICES, MAX_SEED, MAX_THREADS, PRECISIONS


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


@pytest.mark.parametrize("option", ["--strength", "--luma", "--chroma"])
def test_more_than_all_of_the_restoration_is_a_higher_noise_level(option: str) -> None:
    parse = partial(options.parse_strength, word=option)
    with pytest.raises(UsageError, match=f"^{option} 1.5: .* from 0 to 1; for more, .* --sigma 2x$"):
        parse("1.5")
    for value in ("nan", "-0.1", "half", "-inf"):
        with pytest.raises(UsageError, match=f"^{option} {value}: .* from 0 to 1$"):
            parse(value)


WRONG = [
    (options.parse_noise_level, "--sigma", ["nan", "-1", "255.1", "inf", "-inf", "ten", ""]),
    (options.parse_strength, "--strength", ["nan", "-0.1", "1.01", "half"]),
    (options.parse_threads, "--threads", ["0", "-1", "1.5", "two", str(MAX_THREADS + 1)]),
    (options.parse_max_pixels, "--max-pixels", ["0", "1e6", "many"]),
    (options.parse_seed, "--seed", ["-1", str(MAX_SEED + 1), "0.5", "x"]),
]
CASES = [(parse, option, value) for parse, option, values in WRONG for value in values]


@pytest.mark.parametrize(("parse", "option", "value"), CASES)
def test_a_wrong_value_is_named_with_its_option(parse: Any, option: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"^{option} {value}: .* from [01] to "):
        parse(value)


@pytest.mark.parametrize(
    ("parse", "value"), [(options.parse_threads, MAX_THREADS), (options.parse_seed, MAX_SEED)]
)
def test_whole_numbers(parse: Any, value: int) -> None:
    assert parse(str(value)) == value


@pytest.mark.parametrize("value", ["0", "3", "16", "-1", "two", "1.0", ""])
def test_turns_are_a_power_of_two(value: str) -> None:
    parse = option("turns").parser
    with pytest.raises(UsageError, match=f"^--turns {value}: must be 1, 2, 4 or 8$"):
        parse(value)
    assert [parse(count) for count in ("1", 2, "4", "8")] == [1, 2, 4, 8]


def option(name: str, command: Any = damage.Denoise) -> Any:
    """The option of a field of a command's words."""
    hints = get_type_hints(restore.with_options(command), include_extras=True)
    return hints[name].__metadata__[0]


def test_searches_have_the_options_of_their_settings() -> None:
    help = option("steps").help
    assert help.endswith("stops by itself (autoencoders: 200; generators: 300; dip: 5000).")
    assert option("step_size").help.endswith(" (0.05).")
    assert option("rate").default == "--lr"
    with pytest.raises(UsageError, match=r"^--step-size 2.0: must be above 0 and at most 1$"):
        option("step_size").parser("2")
    with pytest.raises(UsageError, match=r"^--prior-weight much: must be a number$"):
        option("prior_weight").parser("much")
    fields = restore.with_options(damage.Invert).__dataclass_fields__
    assert {"steps", "restarts", "loss"} <= set(fields)
    assert not {"refine", "step_size", "turns", "prior"} & set(fields)


def test_defaults_are_parsed_too() -> None:
    assert options.parse_strength(1.0) == 1.0
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


def test_choices_are_those_of_the_runtime() -> None:
    assert options.Device.__args__[0].__args__ == DEVICES  # type: ignore[attr-defined]
    assert options.Precision.__args__[0].__args__ == PRECISIONS  # type: ignore[attr-defined]


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
    count = 0
    for command in damage.COMMANDS:
        hints = get_type_hints(restore.with_options(command), include_extras=True)
        for name, hint in hints.items():
            for info in getattr(hint, "__metadata__", ()):
                count += 1
                assert info.help, name
                assert isinstance(info, typer.models.ParameterInfo)
    assert count >= 100
