from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genrestore.errors import UsageError
from genrestore.runtime import Runtime
from genrestore.train import distributed
from genrestore.train.loop import checkpoint
from genrestore.weights import load
from tests.train import covering, toy

ROOT = Path(__file__).parents[2]
CHECKPOINTS = ("checkpoint.safetensors", "encoder/checkpoint.safetensors")


def torchrun(
    folder: Path, processes: int, *words: str, program: str = "toy"
) -> subprocess.CompletedProcess[str]:
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={processes}",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)}
    environment["GENRESTORE_HOME"] = str(folder / "home")
    return subprocess.run(
        [*launcher, "-m", f"tests.train.{program}", str(folder), *words],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_one_process_is_the_trivial_case() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    with distributed.session("cpu"):
        distributed.average_gradients([parameter])
        assert (distributed.rank(), distributed.world_size()) == (0, 1)
        assert distributed.share(6) == range(6)
        assert distributed.mean({"a": 1.5}) == {"a": 1.5}
        assert distributed.any_rank(True, False) == (True, False)
    assert parameter.grad.tolist() == [1, 1]


def test_two_processes_with_equal_gradients_have_them_as_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed.distributed, "all_reduce", lambda sums: sums.mul_(2))
    parameter = torch.nn.Parameter(torch.zeros(2, 3))
    parameter.grad = torch.arange(6.0).reshape(2, 3)
    distributed.average_gradients([parameter])
    assert torch.equal(parameter.grad, torch.arange(6.0).reshape(2, 3))


def test_rows_of_a_process_weigh_as_many_times_as_there_are_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def all_gather(pieces: list[torch.Tensor], rows: torch.Tensor) -> None:
        pieces[0].fill_(5.0)
        pieces[1].copy_(rows)

    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed.distributed, "all_gather", all_gather)
    rows = torch.tensor([[1.0], [2.0]], requires_grad=True)
    everyone = distributed.gather(rows)
    assert everyone.tolist() == [[5.0], [5.0], [1.0], [2.0]]
    (everyone.flatten() * torch.tensor([7.0, 7.0, 3.0, 4.0])).sum().backward()
    assert rows.grad is not None
    assert rows.grad.tolist() == [[6.0], [8.0]]


def test_a_batch_that_cannot_be_divided_names_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    with pytest.raises(UsageError, match="--batch-size 4: must be a multiple of the 3 processes"):
        distributed.share(4)


def test_several_processes_on_mps_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(UsageError, match=r"--device mps: .* more than one process"),
        distributed.session("mps"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names the loopback interface")
def test_two_processes_train_as_one_and_stop_at_the_same_step(tmp_path: Path) -> None:
    for name in ("one", "two"):
        toy.fill(tmp_path / name / "images")
    toy.train(toy.request(tmp_path / "one", optimiser="muon"))
    stopped = torchrun(tmp_path / "two", 2, "2")
    assert stopped.returncode != 0, stopped.stderr
    assert checkpoint.read(tmp_path / "two/run/checkpoint.safetensors")[0].step == 3
    (tmp_path / "two/run/checkpoint.safetensors").rename(tmp_path / "aside")
    for path in (tmp_path / "two/run").glob("*.*"):
        path.unlink()
    done = torchrun(tmp_path / "two", 2, "-1")
    assert done.returncode == 0, done.stderr
    runtime = Runtime("cpu", "fp32", 1, 0)
    paths = (tmp_path / name / "run" / "last.safetensors" for name in ("one", "two"))
    one, two = (load.load(str(path), runtime).networks["estimator"] for path in paths)
    for mine, theirs in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=2e-3, rtol=2e-3)
    first, second = (
        (tmp_path / name / "run/metrics.csv").read_text().splitlines() for name in ("one", "two")
    )
    assert len(first) == len(second)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """one/run: an autoencoder of one process, two/run: of two, gan/run: a generator of two."""
    folder = tmp_path_factory.mktemp("trained")
    for name in ("one", "two", "gan"):
        toy.write_digits(folder / name, train=20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENRESTORE_HOME", str(folder / "home"))
        covering.train(covering.request(folder / "one"))
    done = torchrun(folder / "two", 2, str(folder / "gan"), program="playing")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names the loopback interface")
def test_coverage_is_that_of_the_whole_batch_in_every_process(trained: Path) -> None:
    paths = (trained / name / "run" / "last.safetensors" for name in ("one", "two"))
    one, two = (load.load(str(path), toy.RUNTIME).networks["autoencoder"] for path in paths)
    start = covering.start()
    moved = [float((mine - there).abs().max()) for mine, there in zip(one.parameters(), start, strict=True)]
    apart = [
        float((mine - theirs).abs().max())
        for mine, theirs in zip(one.parameters(), two.parameters(), strict=True)
    ]
    assert max(apart) < 0.05 * max(moved)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names the loopback interface")
def test_a_generator_and_its_encoder_train_in_two_processes(trained: Path) -> None:
    run = trained / "gan" / "run"
    assert [checkpoint.read(run / part)[0].step for part in CHECKPOINTS] == [12, 6]
    loaded = load.load(str(run / "encoder" / "best.safetensors"), toy.RUNTIME)
    assert sorted(loaded.networks) == ["encoder", "generator"]
