"""Patch matching: a hole filled so that each of its patches looks like one that is known, coarse to fine.

    x* = argmin_x R(x),     R(x) = Σ_p min_q ‖P_p x − P_q y‖²,     p in the hole, q known

Two steps take turns at every scale: each patch finds the one that is most alike, and each pixel is copied as
the best of the patches over it says. A mean of them all, as it is usual, is smooth, and finds what is smooth.
A copy draws the next match to it, so texture is held to what is around. Last the seams are blended.
Sources: Wexler, Shechtman, Irani, "Space-Time Completion of Video", 2007; Barnes et al., "PatchMatch", 2009;
Newson et al., "Video Inpainting of Complex Scenes", 2014, for planes of texture that are matched too.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.models.pyramid import fill
from genrestore.restore.solvers.patch_scale import (
    PLANES,
    RADIUS,
    TEXTURE,
    Scale,
    Sources,
    eroded,
    texture,
)
from genrestore.restore.solvers.poisson import blended

COARSEST = 4.5
"""Pixels of the deepest place of a hole at the coarsest scale, where a patch nearly bridges it."""
ROUNDS = (12, 6, 4, 3, 2)
"""Turns of both steps at the coarsest scale, the next, and so on."""
EXACT = 1.5e8
"""Pairs of patches up to which all are compared."""
BLOCK = 1.5e7
"""Pairs of patches that are compared at once."""
FEWEST = 64
"""Patches to copy from that a scale must have."""
DRAW = 0.1
"""Chance in the first match at the coarsest scale, as a share of the usual distance: another seed, another
picture."""
INWARDS = 1.2
"""Factor on the distance of a patch for each pixel that it lies deeper in the hole."""
EXPECTED, FREE = 0.75, 2
"""Share of the texture around a hole that what was copied lacks and its patches are to have; and how many of
the finest scales want what was copied itself (small holes have no others). Smooth patches are unlike
nothing: without it copies get smoother round by round."""
Tell = Callable[[float], None]


def synthesised(
    image: Tensor,
    known: Tensor,
    sources: Sources | None = None,
    start: Tensor | None = None,
    generator: torch.Generator | None = None,
    tell: Tell = lambda _: None,
) -> tuple[Tensor, float]:
    """Fill holes with patches.

    Args:
        image: [1, channel, height, width], about [0, 1]; what it holds in a hole counts for nothing.
        known: 1 where a pixel is known and 0 where it is missing, [1, 1, height, width].
        sources: What is copied; None: what is known of the image.
        start: An estimate that gives the structure, of the image's shape; None: the hole is filled patch by
            patch from its edge at the coarsest scale.
        generator: Of the draws.
        tell: Is told the finished share, 0 to 1.

    Returns:
        The image filled, and how unlike what is around the hole the best patches are: 0 the same, 1 as any.

    Raises:
        ValueError: There is no patch to copy.
    """
    filled = fill(image, known) if start is None else torch.where(known > 0, image, start)
    planes = torch.cat([filled, TEXTURE * texture(image, known)], 1)
    source, usable = planes, known
    if sources is not None:
        source = torch.cat([sources.image, TEXTURE * texture(sources.image, sources.usable)], 1)
        usable = sources.usable
    scales = _pyramid(Scale(planes, 1 - known, source, usable))
    draws = generator or torch.Generator().manual_seed(0)
    now, before = scales[-1].image, None
    places = distances = torch.empty(0)
    done, whole = 0, sum(len(scale.active) for scale in scales)
    for level in reversed(range(len(scales))):
        scale, expected = scales[level], EXPECTED if level >= FREE else 0.0
        rounds = ROUNDS[min(len(scales) - 1 - level, len(ROUNDS) - 1)]
        if before is None:
            now = scale.image if start is not None else _peeled(scale)
            places, distances = _all_compared(scale, now, draws)
        else:
            places = _finer(places, before, scale, draws)
            distances = _distances(scale, places, scale.of_hole(_means(scale, places)))
            now = _copied(scale, _origins(scale, places, distances), expected)
        for turn in range(rounds):
            if before is not None or turn:
                places, distances = _matched(scale, now, places, draws, every=turn % 2 == 0)
            if turn < rounds - 1 or scale is not scales[0]:
                now = _copied(scale, _origins(scale, places, distances), expected)
        before, done = scale, done + len(scale.active)
        tell(0.95 * done / whole)
    origin = _origins(scales[0], places, distances)
    result = blended(image, known, source[:, : image.shape[1]], origin)
    tell(1.0)
    return result, _unlike(scales[0], distances)


def _pyramid(scale: Scale) -> list[Scale]:
    """A scale and all coarser ones, as far as holes and patches to copy allow."""
    if not bool(scale.valid.any()):
        raise ValueError("no patch to copy")
    scales, left = [scale], scale.missing
    deepest = 0.0
    while bool(left.any()) and deepest < max(left.shape):
        deepest, left = deepest + 1, eroded(left, 1)
    while deepest > COARSEST or len(scales[-1].active) * len(scales[-1].centres) > EXACT:
        coarser = scales[-1].halved()
        if len(coarser.centres) < FEWEST:
            break
        scales.append(coarser)
        deepest /= 2
    return scales


def _peeled(scale: Scale) -> Tensor:
    """A hole filled from its edge inwards, each pixel by the patch most alike in what is known."""
    width, (down, across) = scale.image.shape[-1] + 2 * RADIUS, torch.tensor(_steps()).t()
    centres = scale.some
    patches = scale.pixels[centres[:, None] + scale.offsets].flatten(1)
    known, image = 1 - scale.missing, scale.image.clone()
    while bool((known == 0).any()):
        ring = (known == 0) & (functional.max_pool2d(known, 3, 1, 1) > 0)
        rows, columns = (ring if bool(ring.any()) else known == 0)[0, 0].nonzero().t()
        padded = functional.pad(image, (RADIUS,) * 4, mode="replicate")[0].flatten(1).t()
        weights = functional.pad(known, (RADIUS,) * 4).flatten()
        for some in torch.arange(len(rows)).split(max(1, int(BLOCK // len(patches)))):
            at = (rows[some, None] + down + RADIUS) * width + columns[some, None] + across + RADIUS
            wanted = padded[at].flatten(1)
            weight = weights[at][..., None].expand(-1, -1, padded.shape[1]).flatten(1)
            best = (weight @ patches.square().t() - 2 * (wanted * weight) @ patches.t()).argmin(1)
            image[0, :, rows[some], columns[some]] = scale.pixels[centres[best]].t()
        known[0, 0, rows, columns] = 1
    return image


def _all_compared(scale: Scale, image: Tensor, draws: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """The place of the most alike patch for each that touches the hole, of all, and the squared distance."""
    wanted, given = scale.of_hole(image), scale.features[scale.centres]
    norms = given.square().sum(1)
    chance = torch.zeros(())
    if draws is not None:
        usual = (given - given.roll(len(given) // 2, 0)).square().sum(1).median()
        chance = DRAW * usual * torch.rand(len(given), generator=draws)
    best = [
        torch.addmm(norms + chance, some, given.t(), alpha=-2).argmin(1)
        for some in wanted.split(max(1, int(BLOCK // len(given))))
    ]
    places = scale.centres[torch.cat(best)]
    return places, _distances(scale, places, wanted)


def _distances(scale: Scale, places: Tensor, wanted: Tensor) -> Tensor:
    """Squared distances of patches of the source from wanted features, [patch]."""
    return (scale.features[places] - wanted).square().sum(1)


def _matched(
    scale: Scale, image: Tensor, places: Tensor, draws: torch.Generator, *, every: bool
) -> tuple[Tensor, Tensor]:
    """Better places for patches: of all if these are few, else of what neighbours have, and of chance."""
    if every and len(scale.active) * len(scale.centres) < EXACT:
        return _all_compared(scale, image)
    height, width = image.shape[-2:]
    across = scale.source.shape[-1]
    down = scale.source.shape[-2]
    wanted, places = scale.of_hole(image), places.clone()
    distances = _distances(scale, places, wanted)
    rows, columns = scale.active // width, scale.active % width
    all_places = torch.full((height * width,), -1)

    def attempt(row: Tensor, column: Tensor, there: Tensor) -> None:
        fits = there & (row >= 0) & (row < down) & (column >= 0) & (column < across)
        index = fits.nonzero()[:, 0]
        tried = (row * across + column)[index]
        index, tried = index[scale.valid[tried]], tried[scale.valid[tried]]
        distance = _distances(scale, tried, wanted[index])
        better = distance < distances[index]
        distances[index[better]], places[index[better]] = distance[better], tried[better]

    for step in (8, 4, 2, 1):
        for dy, dx in ((0, -step), (0, step), (-step, 0), (step, 0)):
            all_places[scale.active] = places
            y, x = (rows + dy).clamp(0, height - 1), (columns + dx).clamp(0, width - 1)
            theirs = all_places[y * width + x]
            attempt(theirs // across - (y - rows), theirs % across - (x - columns), theirs >= 0)
    reach = max(down, across) / 2
    while reach > 1:
        row, column = ((2 * torch.rand(2, len(places), generator=draws) - 1) * reach).round().long()
        attempt(places // across + row, places % across + column, places >= 0)
        reach *= 0.35
    return places, distances


def _finer(places: Tensor, coarse: Scale, fine: Scale, draws: torch.Generator) -> Tensor:
    """Places at the next finer scale; by chance where they are of no use."""
    width, before = fine.image.shape[-1], coarse.image.shape[-1]
    dense = torch.full((coarse.image.shape[-2] * before,), -1)
    dense[coarse.active] = places
    rows, columns = fine.active // width, fine.active % width
    parents = dense[(rows // 2) * before + columns // 2]
    down, across = fine.source.shape[-2:]
    row = (parents // coarse.source.shape[-1] * 2 + rows % 2).clamp(0, down - 1)
    column = (parents % coarse.source.shape[-1] * 2 + columns % 2).clamp(0, across - 1)
    found = row * across + column
    useless = (parents < 0) | ~fine.valid[found]
    chance = torch.randint(len(fine.centres), (int(useless.sum()),), generator=draws)
    found[useless] = fine.centres[chance]
    return found


def _votes(scale: Scale, *values: Tensor, outside: float) -> list[Tensor]:
    """Values of patches, [patch] each, as planes with a margin of a patch's radius around the image."""
    height, width = scale.image.shape[-2:]
    rows, columns = scale.active // width + RADIUS, scale.active % width + RADIUS
    found = []
    for value in values:
        plane = torch.full((height + 2 * RADIUS, width + 2 * RADIUS), outside, dtype=value.dtype)
        plane[rows, columns] = value
        found.append(plane)
    return found


def _means(scale: Scale, places: Tensor) -> Tensor:
    """The image with its hole as the mean of what all patches say of a pixel."""
    (at,), (count,) = _votes(scale, places, outside=0), _votes(scale, INWARDS**-scale.depth, outside=0.0)
    rows, columns = scale.holes
    total, share = torch.zeros(len(rows), scale.pixels.shape[1]), torch.zeros(len(rows), 1)
    for offset, (dy, dx) in zip(scale.offsets.tolist(), _steps(), strict=True):
        here = (rows + RADIUS - dy, columns + RADIUS - dx)
        total += count[here][:, None] * scale.pixels[(at[here] + offset).clamp(0, len(scale.pixels) - 1)]
        share += count[here][:, None]
    image = scale.image.clone()
    image[0, :, rows, columns] = (total / share).t()
    return image


def _copied(scale: Scale, origins: Tensor, expected: float) -> Tensor:
    """The image with its hole copied from so many places of the source, [missing]; see `EXPECTED`."""
    image = scale.image.clone()
    image[(0, slice(None), *scale.holes)] = scale.pixels[origins].t()
    lacking = (scale.image - image)[:, -PLANES:].clamp(min=0)
    image[:, -PLANES:] += expected * lacking
    return image


def _origins(scale: Scale, places: Tensor, distances: Tensor) -> Tensor:
    """Source of each missing pixel, as the best of the patches over it says, [missing].

    Nearer to the edge they are surer, so they count more there: `INWARDS`.
    """
    distances = (distances + 1e-6) * INWARDS**scale.depth
    (at,), (unlike,) = _votes(scale, places, outside=0), _votes(scale, distances, outside=math.inf)
    rows, columns = scale.holes
    best, found = torch.full((len(rows),), math.inf), torch.zeros(len(rows), dtype=torch.long)
    for offset, (dy, dx) in zip(scale.offsets.tolist(), _steps(), strict=True):
        distance = unlike[rows + RADIUS - dy, columns + RADIUS - dx]
        better = distance < best
        best = torch.where(better, distance, best)
        found = torch.where(better, at[rows + RADIUS - dy, columns + RADIUS - dx] + offset, found)
    return found


def _unlike(scale: Scale, distances: Tensor) -> float:
    """Median distance of the patches at the edge of the hole, in those of any two patches of the source."""
    given = scale.features[scale.some]
    any_two = (given - given.roll(len(given) // 2, 0)).square().sum(1).median().clamp(min=1e-8)
    edge = scale.missing.flatten()[scale.active] == 0
    return float((distances[edge].median() if bool(edge.any()) else distances.median()) / any_two)


def _steps() -> list[tuple[int, int]]:
    """Rows and columns from the middle of a patch to each of its pixels."""
    line = range(-RADIUS, RADIUS + 1)
    return [(row, column) for row in line for column in line]
