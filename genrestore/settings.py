"""Settings in one place: a field of a frozen dataclass says its default, help, unit, limits and choices.

The options of the command line, their checks and the records in checkpoints and weights are made of the
fields. Needs no torch, so that a plan can be made and refused without.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from genrestore.errors import UsageError

KEY = "option"
"""Of a field's metadata: its `Option`."""

Chosen = TypeVar("Chosen")


@dataclass(frozen=True)
class Option:
    """Option of a setting; its type and default are the field's.

    Attributes:
        help: A sentence of what it does.
        unit: Word for its value, such as "N", "STEPS" or "PATH"; "" for a flag and for choices.
        panel: Heading that the help shows it under.
        least: Smallest value.
        most: Largest value.
        above: Value that it must exceed.
        below: Value that it must stay below.
        choices: All values, if they are few; those of each item of a tuple.
        names: Spellings, if others than the field's name; both of a switch in one, "--x/--no-x".
        envvar: Environment variable that gives it too.
        free: Whether a resumed run may change it, since the trained weights do not depend on it.
        hint: What to do for a larger value.
        parse: Makes a value of a word, where its type does not say how.
    """

    help: str = ""
    unit: str = ""
    panel: str = ""
    least: float = -math.inf
    most: float = math.inf
    above: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    envvar: str | None = None
    free: bool = False
    hint: str = ""
    parse: Callable[[Any], Any] | None = None

    def check(self, name: str, value: Any) -> None:
        """Refuse a value out of the limits or choices; none at all ("", None) is always taken.

        Raises:
            UsageError: Gives the name, the value and what it must be.
        """
        for one in value if isinstance(value, tuple) else (value,):
            if self.choices and one not in ("", None, *self.choices):
                raise UsageError(f"{name} {one}: must be {self.limits}")
            if isinstance(one, int | float) and not self._within(one):
                hint = f"; {self.hint}" if self.hint and one > self.most else ""
                raise UsageError(f"{name} {one}: must be {self.limits}{hint}")

    def number(self, name: str, word: str | float, whole: bool = False) -> float:
        """Make a number of a word; a whole one if it must be.

        Raises:
            UsageError: It is none, or out of the limits or choices.
        """
        try:
            value = int(word) if whole else float(word)
        except ValueError as error:
            number = "" if self.choices else "a whole number " if whole else "a number "
            raise UsageError(f"{name} {word}: must be {number}{self.limits}".rstrip()) from error
        self.check(name, value)
        return value

    def choice(self, name: str, word: str) -> str:
        """Take a word that is one of the choices.

        Raises:
            UsageError: It is none.
        """
        self.check(name, word)
        return word

    def _within(self, value: float) -> bool:
        over = self.above is None or value > self.above
        under = self.below is None or value < self.below
        return self.least <= value <= self.most and over and under and math.isfinite(value)

    @property
    def limits(self) -> str:
        """The limits or choices in words."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.above is None and self.below is None and math.isfinite(self.most):
            return f"from {self.least} to {self.most}"
        low = "" if math.isinf(self.least) else f"{self.least:g} or more"
        low = low if self.above is None else f"above {self.above:g}"
        high = "" if math.isinf(self.most) else f"at most {self.most:g}"
        high = high if self.below is None else f"less than {self.below:g}"
        return " and ".join(one for one in (low, high) if one)


def setting(
    default: Any,
    help: str,
    unit: str = "",
    *,
    panel: str = "",
    least: float = -math.inf,
    most: float = math.inf,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[Any, ...] = (),
    names: tuple[str, ...] = (),
    envvar: str | None = None,
    free: bool = False,
    hint: str = "",
) -> Any:
    """Field of a settings class with its `Option`; a default of `MISSING` makes it required."""
    option = Option(help, unit, panel, least, most, above, below, choices, names, envvar, free, hint)
    return field(default=default, metadata={KEY: option})


@dataclass(frozen=True)
class Settings:
    """Base of settings classes: fields made by `setting` are checked.

    Raises:
        UsageError: A value out of its limits; names the field.
    """

    def __post_init__(self) -> None:
        for name, option in options(type(self)).items():
            option.check(name, getattr(self, name))


def options(settings: type) -> dict[str, Option]:
    """Option of every field of a settings class that has one."""
    fields = dataclasses.fields(settings)
    return {one.name: one.metadata[KEY] for one in fields if KEY in one.metadata}


def spelled(name: str, option: Option = Option()) -> str:
    """Option of a setting on the command line: `batch_size` is `--batch-size`."""
    return option.names[0].partition("/")[0] if option.names else "--" + name.replace("_", "-")


def rebuild(default: Chosen, values: Mapping[str, Any]) -> Chosen:
    """Settings from what JSON kept of them.

    Args:
        default: Settings whose values fill what is not in `values`, and tell tuples from lists.
        values: By field name; nested dataclasses as mappings.

    Raises:
        UsageError: A name that the settings do not have, or a value out of its limits.
    """
    known = {one.name for one in dataclasses.fields(default)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise UsageError(f"{spelled(unknown[0])}: not a setting of {type(default).__name__}")
    typed = {name: _like(getattr(default, name), value) for name, value in values.items()}
    return dataclasses.replace(default, **typed)  # type: ignore[type-var]


def merge(stored: Mapping[str, Any], given: Mapping[str, Any], free: frozenset[str]) -> dict[str, Any]:
    """Settings of a resumed run: those it was started with, and the free ones given now.

    Args:
        stored: All settings of the run.
        given: The settings that the user gave now.
        free: Names that may change.

    Raises:
        UsageError: A given setting contradicts a stored one; both values are named.
    """
    for name, value in given.items():
        before = stored.get(name, value)
        if name not in free and _plain(value) != _plain(before):
            raise UsageError(
                f"{spelled(name)} {value}: this run was started with {before}; leave the option out to go "
                "on, or start another run with --init-from"
            )
    return {**stored, **given}


def _like(default: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(default) and isinstance(value, Mapping):
        return rebuild(default, value)
    return tuple(value) if isinstance(default, tuple) else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
