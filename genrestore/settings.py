"""Settings in one place: a field of a frozen dataclass says its default, help, unit, limits and choices.

The options of the command line, their checks and the records in checkpoints and weights are made of the
fields. Needs no torch, so that a plan can be made and refused without.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
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
        names: Spelling, if another than the field's name.
        envvar: Environment variable that gives it too.
        free: Whether a resumed run may change it, since the trained weights do not depend on it.
    """

    help: str
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

    def check(self, name: str, value: Any) -> None:
        """Refuse a value out of the limits or choices; none at all ("", None) is always taken.

        Raises:
            UsageError: Names the option, the value and what it must be.
        """
        for one in value if isinstance(value, tuple) else (value,):
            if self.choices and one not in ("", None, *self.choices):
                wanted = f"one of {', '.join(map(str, self.choices))}"
            elif isinstance(one, int | float) and not self._within(one):
                wanted = self._limits
            else:
                continue
            raise UsageError(f"{spelled(name)} {one}: must be {wanted}")

    def _within(self, value: float) -> bool:
        over = self.above is None or value > self.above
        under = self.below is None or value < self.below
        return self.least <= value <= self.most and over and under and math.isfinite(value)

    @property
    def _limits(self) -> str:
        if self.above is not None:
            return f"a number above {self.above:g}"
        if self.below is not None:
            return f"at least {self.least:g} and less than {self.below:g}"
        return f"{self.least} or more" if math.isinf(self.most) else f"between {self.least} and {self.most}"


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
) -> Any:
    """Field of a settings class with its `Option`; a default of `MISSING` makes it required."""
    option = Option(help, unit, panel, least, most, above, below, choices, names, envvar, free)
    return field(default=default, metadata={KEY: option})


@dataclass(frozen=True)
class Settings:
    """Base of settings classes: fields made by `setting` are checked.

    Raises:
        UsageError: A value out of its limits.
    """

    def __post_init__(self) -> None:
        for name, option in options(type(self)).items():
            option.check(name, getattr(self, name))


def options(settings: type) -> dict[str, Option]:
    """Option of every field of a settings class that has one."""
    fields = dataclasses.fields(settings)
    return {one.name: one.metadata[KEY] for one in fields if KEY in one.metadata}


def spelled(name: str) -> str:
    """Option of a setting on the command line: `batch_size` is `--batch-size`."""
    return "--" + name.replace("_", "-")


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
    made = {name: _like(getattr(default, name), value) for name, value in values.items()}
    return dataclasses.replace(default, **made)  # type: ignore[type-var]


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
