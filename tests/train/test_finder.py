"""The training of the finder of marks, on a network of a second, and the marks that it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from genrestore.runtime import Runtime
from genrestore.train.data import marks
from genrestore.train.kinds import FinderSettings, finder
from genrestore.train.kinds.finder import HOT, FinderTraining
from genrestore.weights.header import MARKS
from tests.train.test_denoiser import LOOP, images

SETTINGS = FinderSettings(patch_size=32, widths=(16, 8), blocks=(1, 1))


def training(**changes: float) -> FinderTraining:
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    return FinderTraining(settings, LOOP, images(), images(1), Runtime("cpu", "fp32", 1, 0))


def test_the_loss_falls_on_a_batch_seen_again() -> None:
    subject = training(marked=1.0)
    batch = subject.batch(0, range(4))
    losses = [float(subject.step(batch)["cross_entropy"]) for _ in range(80)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_batch_is_a_function_of_step_and_index() -> None:
    subject, other = training(), training()
    whole = subject.batch(3, range(4))
    parts = [other.batch(3, [2, 3]), other.batch(3, [0, 1])]
    for tensor, second, first in zip(whole, *parts, strict=True):
        assert torch.equal(tensor, torch.cat([first, second]))
    assert not torch.equal(whole.picture, subject.batch(4, range(4)).picture)


def test_what_does_not_count_costs_nothing() -> None:
    subject = training(marked=1.0)
    batch = subject.batch(0, range(4))
    nothing = batch._replace(counts=torch.zeros_like(batch.counts))
    assert float(training().step(nothing)["cross_entropy"]) == 0
    assert float(training().step(batch)["cross_entropy"]) > 0.01


def test_without_marks_nothing_is_one_and_all_counts() -> None:
    batch = training(marked=0.0).batch(0, range(8))
    assert not batch.is_mark.any()
    assert batch.counts.all()


def test_a_mark_is_one_where_it_changes_what_can_be_seen() -> None:
    """Twice the noise, which is known here as the difference of one sample with marks and one without."""
    plain = {"noisy": 0.0, "soft": 0.0, "grey": 0.0, "coded": 0.0}
    with_marks, without = (training(marked=share, **plain).batch(0, range(16)) for share in (1.0, 0.0))
    change = (with_marks.picture - without.picture).abs().amax(1, keepdim=True).expand_as(with_marks.is_mark)
    assert float(change[with_marks.is_mark > 0].min()) >= 4 / 255 - 1e-6
    untouched = (with_marks.counts > 0).all(1) & (with_marks.is_mark == 0).all(1)
    assert float(change[:, :1][untouched[:, None]].max()) == 0
    assert float(with_marks.is_mark.mean()) > 0.003


def test_stuck_pixels_of_a_sensor_are_hot_where_they_are_seen_and_change_nothing_else() -> None:
    plain = {"sensor": 1.0, "soft": 0.0, "grey": 0.0, "coded": 0.0}
    with_marks, without = (training(marked=share, **plain).batch(0, range(16)) for share in (1.0, 0.0))
    change = (with_marks.picture - without.picture).abs().amax(1)
    dust, scratches, hot = with_marks.is_mark.unbind(1)
    assert not dust.any()
    assert not scratches.any()
    assert 0.001 < float(hot.mean()) < 0.2
    assert float((change > 0).float().mean()) < 0.4  # the noise is the same in both
    assert float(change[hot > 0].min()) >= 4 / 255 - 1e-6
    assert torch.equal(change > 0, (hot > 0) | (with_marks.counts[:, HOT] == 0))
    assert not torch.equal(with_marks.counts, torch.ones_like(with_marks.counts))


def test_in_noise_a_mark_is_one_where_it_stands_out_of_twice_its_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    level = 10 / 255
    monkeypatch.setattr(finder, "NOISE", (level, level))
    plain = {"soft": 0.0, "grey": 0.0, "coded": 0.0}
    with_marks, without = (
        training(marked=share, noisy=1.0, **plain).batch(0, range(24)) for share in (1.0, 0.0)
    )
    clean = training(marked=0.0, noisy=0.0, **plain).batch(0, range(24))
    change = (with_marks.picture - without.picture).abs()
    whole = ((with_marks.picture % 1 > 0) & (without.picture % 1 > 0)).all(1)  # else clipping hides a part
    change, is_mark, counts = (
        one.amax(1)[whole] for one in (change, with_marks.is_mark, with_marks.counts.amin(1, keepdim=True))
    )
    assert (int((is_mark > 0).sum()) > 50, int((counts == 0).sum()) > 10) == (True, True)
    assert float(change[is_mark > 0].min()) >= 2 * level - 1e-5
    assert float(change[counts == 0].max()) < 2 * level
    inside = (clean.picture > 0.2) & (clean.picture < 0.8)
    spread = (without.picture - clean.picture)[inside].square().mean().sqrt()
    assert float(spread) == pytest.approx(level, rel=0.05)


def test_validation_and_samples() -> None:
    subject = training()
    numbers = subject.validate(subject.networks)
    assert set(numbers) == {"marked", "clean", "score"}
    assert numbers == subject.validate(subject.networks)
    pictures = subject.samples(subject.networks)
    assert (pictures.shape[1:], float(pictures.min()) >= 0) == ((3, 128, 128), True)


def test_the_header_names_the_kinds_of_marks() -> None:
    header = training().header()
    assert (header.kind, header.networks["finder"].arguments["kinds"]) == ("finder", list(MARKS))


@pytest.mark.parametrize("seed", range(6))
def test_marks_cover_what_they_change_and_nothing_else(seed: int) -> None:
    grey = torch.full((3, 64, 64), 0.5)
    picture, covered = marks.put(grey, torch.Generator().manual_seed(seed))
    changed = (picture - grey).abs().amax(0) > 0
    assert torch.equal(changed, (covered.amax(0) > 0) & changed)
    assert 0 <= float(covered.min()) <= float(covered.max()) <= 1
    again, _ = marks.put(grey, torch.Generator().manual_seed(seed))
    assert torch.equal(picture, again)
