"""Settings of every run: images, loop, and what is asked of it; those of each kind are in `train.kinds`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from genrestore.settings import Settings, options, setting

WHERE, LEARNING, NETWORK, WRITING = "Images and folders", "Learning", "Network", "When something is written"
HOLES, MACHINE = "Patches and their holes", "Machine"

where, learning, network = (partial(setting, panel=panel) for panel in (WHERE, LEARNING, NETWORK))
writing = partial(setting, panel=WRITING, free=True)
share = partial(setting, unit="SHARE", least=0, most=1)


@dataclass(frozen=True)
class DataSettings(Settings):
    """Images of a run; where they lie may change on resume, what they show may not."""

    data: tuple[str, ...] = where(
        (),
        "Images to learn from: a folder with its sub-folders, or mnist, fashion-mnist or celeba; repeatable. "
        "WEIGHT: how often it is drawn from.",
        "FOLDER[:WEIGHT]",
        free=True,
    )
    validate_data: tuple[str, ...] = where(
        (), "Images to measure with, never learned from.", "FOLDER", free=True
    )
    holdout_every: int | None = where(
        None,
        "Without --validate-data: measure with every Nth image and do not learn from it (50); 1: measure "
        "with all of them, and learn from them too.",
        "N",
        least=1,
    )
    data_root: str | None = where(
        None,
        "Where torchvision's data sets lie; data in the user's data folder if left out.",
        "FOLDER",
        free=True,
    )
    download: bool = where(False, "Get a named data set that is not there, through the network.", free=True)
    max_side: int | None = where(None, "Halve images with a longer side until they fit.", "PIXELS", least=16)


@dataclass(frozen=True)
class LoopSettings(Settings):
    """Settings of the training loop."""

    steps: int = learning(100_000, "Updates in all.", "N", least=1)
    batch_size: int = learning(32, "Samples a step, over all processes together.", "N", least=1)
    learning_rate: float = learning(1e-3, "The largest one.", "X", above=0)
    warmup: int = learning(500, "Steps in which the learning rate rises linearly.", "STEPS", least=0)
    schedule: str = learning(
        "cosine",
        "How the learning rate falls; trapezoid stays and falls linearly at the end.",
        choices=("cosine", "trapezoid", "constant"),
    )
    cooldown: float = share(0.25, "Share of the steps in which the trapezoid falls.", panel=LEARNING)
    optimiser: str = learning(
        "adamw", "AdamW, or Muon (orthogonalised momentum) for inner weights.", choices=("adamw", "muon")
    )
    weight_decay: float = learning(0.0, "Decoupled, a fraction of the learning rate.", "X", least=0)
    ema_decay: float = learning(
        0.999, "Of the moving average of the weights, which is what is kept.", "X", least=0, below=1
    )
    seed: int = setting(
        0, "Of every random draw.", "N", panel=MACHINE, least=0, most=2**63 - 1, envvar="GENRESTORE_SEED"
    )
    log_every: int = writing(100, "A row of metrics.csv.", "STEPS", least=1)
    validate_every: int = writing(2000, "A validation, best.safetensors and a checkpoint.", "STEPS", least=1)
    sample_every: int = writing(2000, "A sample picture.", "STEPS", least=1)
    save_every: int = writing(0, "A checkpoint; 0: at validations and by time.", "STEPS", least=0)
    save_minutes: float = writing(10.0, "A checkpoint at least this often; 0 for never.", "N", least=0)
    workers: int = setting(
        0,
        "Processes that prepare batches ahead, for a GPU; 0: in the loop.",
        "N",
        panel=MACHINE,
        least=0,
        free=True,
    )

    def rate(self, step: int) -> float:
        """Learning rate of one step as a fraction of the largest.

        Args:
            step: Steps done before this one.

        Returns:
            A factor in [0, 1].
        """
        factor = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.schedule == "cosine":
            return factor * 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        fall = self.cooldown * self.steps
        if self.schedule == "trapezoid" and step > self.steps - fall:
            return factor * max(0.0, (self.steps - step) / fall)
        return factor


@dataclass(frozen=True)
class Mixture:
    """Shares of the training samples by their noise; those that are left have white Gaussian noise.

    Attributes:
        largest: Upper end of the Gaussian σ, on the [0, 1] scale.
        camera: Share of samples that a digital camera takes.
        correlated: Share of samples with noise of random spectrum and covariance.
        jpeg: Share of samples that only JPEG has damaged.
        impulses: Share of all samples in which some pixels are stuck.
        rounded: Share of the Gaussian samples that are clipped and rounded to 8 bits, as in a file.
        grey: Share of all samples turned to grey, replicated to three channels.
        processed: Share of the samples of correlated noise that went through a camera's own noise reduction.
        aligned: Share of the samples whose JPEG blocks begin at their corner, as in files that were not cut.
        soft: Share of the samples of correlated noise whose scene is not sharp to the pixel, as those of
            a camera at full size; of the others a quarter of it.
    """

    largest: float = 75 / 255
    camera: float = 0.2
    correlated: float = 0.33
    jpeg: float = 0.25
    impulses: float = 0.05
    rounded: float = 0.25
    grey: float = 0.3
    processed: float = 0.5
    aligned: float = 0.7
    soft: float = 0.95


@dataclass(frozen=True)
class Request(Settings):
    """A training asked for; None and absent keys mean "as it was", or the default in a new run.

    Attributes:
        device: "auto" takes the runtime's, or on resume that of the run; any other is the runtime's.
        precision: "fp32" or "bf16"; None takes the runtime's, or on resume what the run has.
        threads: CPU threads; None takes the runtime's, or on resume those of the run.
        data: Fields of `DataSettings`.
        loop: Fields of `LoopSettings`.
        model: Fields of the kind's settings.
    """

    name: str = where(MISSING, "The best weights go into the store under it.", "NAME")
    output: Path | None = where(
        None, "The best weights go into this file instead of the store.", "PATH", names=("--output", "-o")
    )
    run_dir: Path | None = where(
        None, "Checkpoint, log, plots and samples; runs/NAME in the user's data folder if left out.", "FOLDER"
    )
    init_from: str | None = where(None, "Start from the networks of these weights.", "NAME|PATH")
    origin: str | None = where(
        None, "What the images are and where they come from; kept in the weights.", "TEXT"
    )
    licence: str | None = where(
        None, "Under which terms the weights may be used; kept in the weights.", "TEXT"
    )
    resume: bool = where(False, "Go on with the run that is there, as it was started.")
    overwrite: bool = where(False, "Replace a run and weights of this name that are there.")
    epochs: float | None = learning(None, "Passes through the images, instead of --steps.", "N", above=0)
    extend: bool = learning(
        False, "With --resume: take other --steps though the learning rates so far would have been others."
    )
    max_minutes: float | None = learning(
        None, "Stop after this time with a checkpoint, for --resume.", "N", least=0
    )
    precision: str | None = None
    threads: int | None = None
    device: str = "auto"
    data: Mapping[str, Any] = field(default_factory=dict)
    loop: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)


FREE = frozenset(name for name, option in options(LoopSettings).items() if option.free)
"""Settings of the loop that do not change the trained weights, so a resumed run may change them."""
FREE_DATA = frozenset(name for name, option in options(DataSettings).items() if option.free)
"""Those of the images; `images` (a sha256) tells whether they are the same."""


@dataclass(frozen=True)
class Recipe:
    """Settings that `--recipe report` fills where nothing else is said.

    Attributes:
        help: What they are.
        settings: Epochs, and fields of the loop's and the kind's settings, from what was given.
    """

    help: str
    settings: Callable[[Mapping[str, Any]], tuple[float, dict[str, Any]]]

    def fill(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Options by name: those given, and the recipe's for the others."""
        epochs, settings = self.settings(given)
        length = {} if {"steps", "epochs", "resume"} & set(given) else {"epochs": epochs}
        return {**settings, **length, **given}


@dataclass(frozen=True)
class Kind:
    """One kind of training.

    Attributes:
        name: In checkpoints: "denoiser", "autoencoder", "generator".
        about: What it trains, in the help.
        settings: Defaults of its own settings, a frozen dataclass.
        training: Its class, "module:name"; imported when a training begins, since it needs torch.
        loop: Defaults of the loop's settings.
        then: The training that follows, in a folder of the run's. Its weights hold the networks of both, and
            are what the run ends with.
        recipe: Another set of defaults, of `--recipe report`.
        without: Options that it does not have.
        own: Of one that follows another, settings of the loop that are not the other's.
    """

    name: str
    about: str
    settings: Any
    training: str
    loop: LoopSettings = field(default_factory=LoopSettings)
    then: Kind | None = None
    recipe: Recipe | None = None
    without: tuple[str, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)

    def following(self, settings: Any, loop: LoopSettings) -> Kind | None:
        """Training that follows one of these settings: `NAME_steps` of `NAME_width`; None if of no steps."""
        then = self.then
        steps = getattr(settings, f"{then.name}_steps") if then else 0
        if then is None or not steps:
            return None
        width = replace(then.settings, width=getattr(settings, f"{then.name}_width"))
        own = {"steps": steps, "warmup": min(100, steps // 10), "schedule": "trapezoid", **then.own}
        return replace(then, settings=width, loop=replace(loop, **own))
