"""Restorers of weights, for tests: the words of each task in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from genrestore.errors import InputError
from genrestore.restore.pictures import Restore
from genrestore.restore.problem import Step
from genrestore.restore.task import DENOISE, INPAINT, INVERT, Damage, Picture, Request, Restored, Task
from genrestore.restore.tiling import Pixels
from genrestore.runtime import Runtime

REQUEST = set(Request.__dataclass_fields__)


def made(damage: Damage, weights: str, runtime: Runtime | None = None, **words: Any) -> Restore:
    """A restorer of a damage; words are those of its request, its settings, or of `Restore`."""
    request = {name: words.pop(name) for name in list(words) if name in REQUEST}
    usual = damage.request
    settings, turns = words.pop("settings", None), words.pop("turns", None)
    asked = Request(**{**{name: getattr(usual, name) for name in REQUEST}, **request})
    return Restore(Task.of(damage, weights, asked, settings, turns), runtime, **words)


def denoiser(weights: str = "photo", noise_level: float | None = None, **words: Any) -> Restore:
    return made(DENOISE, weights, noise_level=noise_level, **words)


def inpainter(weights: str = "photo-inpaint", **words: Any) -> Restore:
    return made(INPAINT, weights, **words)


def inverter(weights: str, **words: Any) -> Restore:
    return made(INVERT, weights, **words)


class Watched:
    """Notes every step of each picture of a call, by its place."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.places = {id(picture): place for place, picture in enumerate(pictures)}
        self.rows: dict[int, list[Step]] = {}
        self.ended: list[int] = []

    def step(self, picture: Any, piece: int, step: Step) -> None:
        self.rows.setdefault(self.places[id(picture)], []).append(step)

    def end(self, picture: Any) -> None:
        self.ended.append(self.places[id(picture)])


def watched(restore: Callable[..., Restore], pixels: Sequence[Pixels]) -> tuple[list[Restored], Watched]:
    """Restore pictures together, and the steps of each."""
    pictures = [Picture(one) for one in pixels]
    seen = Watched(pictures)
    return sound(restore(trace=seen).together(pictures)), seen


def together(
    restore: Restore, pixels: Sequence[Pixels], known: Sequence[Pixels | None] = ()
) -> list[Restored]:
    """Restore pictures together, none of which fails."""
    there = known or [None] * len(pixels)
    return sound(restore.together([Picture(*one) for one in zip(pixels, there, strict=True)]))


def sound(found: Sequence[Restored | InputError]) -> list[Restored]:
    for one in found:
        assert isinstance(one, Restored)
    return [one for one in found if isinstance(one, Restored)]
