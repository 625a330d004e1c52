"""A denoiser's networks as ONNX files with a model card, for programs without torch."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrestore.errors import UsageError, WeightsError, shown
from genrestore.files.disk.atomic import atomic, check_writable
from genrestore.weights import store
from genrestore.weights.header import Header, read_header

if TYPE_CHECKING:
    from torch import nn

LIBRARIES = ("onnx", "onnxscript")
"""Packages of the extra."""
SUFFIX, CARD = ".onnx", ".md"
ROLES = {"denoiser": (("image", "noise_level"), "denoised"), "estimator": (("image",), "noise_level")}
"""The networks that are exported, with the names of their inputs and of their output."""
NETWORKS = {"denoiser": "residual-unet", "estimator": "noise-estimator"}
ABOUT = ("licence", "data", "source", "version", "sha256")
"""Fields of the header that the files carry."""
OPSET = 18


def export(weights: str, path: Path, *, half: bool = False, overwrite: bool = False) -> list[Path]:
    """Write the networks of a denoiser's weights as ONNX, and a model card.

    Inputs and outputs are float32, [batch, channel, height, width] of any batch, height and width: image and
    denoised in [0, 1], noise_level as σ on that scale, a plane for each level that the network knows.

    Args:
        weights: A name in the store or a path.
        path: Where the denoiser goes; the estimator is STEM.estimator.onnx beside it, the card STEM.md.
        half: Weights and what is computed inside are float16.
        overwrite: Files that exist may be replaced.

    Returns:
        The files that were written.

    Raises:
        UsageError: Another suffix, a file that exists, or the extra is not installed.
        WeightsError: No such weights, damaged ones, or of another kind of prior.
        InputError: A file cannot be written.
    """
    if path.suffix.lower() != SUFFIX:
        raise UsageError(f"{shown(path)}: an ONNX file ends in {SUFFIX}")
    if any(find_spec(name) is None for name in LIBRARIES):
        raise UsageError("ONNX is written with an extra: pip install 'genrestore[onnx]'")
    source = store.resolve(weights)
    header = read_header(source)
    if header.kind != "denoiser" or {role: spec.name for role, spec in header.networks.items()} != NETWORKS:
        raise WeightsError(
            f"{weights}: of the kind {header.kind}; "
            "ONNX is made of a denoiser with an estimator of the noise level, as photo is"
        )
    files = [path, path.with_suffix(f".estimator{SUFFIX}"), path.with_suffix(CARD)]
    for file in files:
        store.check_absent(file, overwrite)
        check_writable(file)
    from genrestore.weights.load import load_file

    networks = load_file(source).networks
    contents = [_converted(networks[role], role, header, half) for role in ROLES]
    contents.append(card(header, source.stem, files, half).encode())
    for file, content in zip(files, contents, strict=True):
        with atomic(file, overwrite=overwrite) as stream:
            stream.write(content)
    return files


def _converted(network: nn.Module, role: str, header: Header, half: bool) -> bytes:
    """A network as the bytes of an ONNX file that says whose it is."""
    import onnx
    import torch

    inputs, output = ROLES[role]
    levels = int(network.levels) if role == "denoiser" else 0  # type: ignore[arg-type]
    planes = {"image": header.channels, "noise_level": levels}
    examples = tuple(torch.full((2, planes[name], 32, 48), 0.5) for name in inputs)
    sizes = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():  # what torch and onnxscript say of their own future
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.half() if half else network,
            examples,
            dynamo=True,
            input_names=inputs,
            output_names=(output,),
            dynamic_shapes=tuple(sizes for _ in inputs),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model: Any = program.model_proto
    for axis, name in sizes.items():
        model.graph.output[0].type.tensor_type.shape.dim[axis].dim_param = name
    onnx.helper.set_model_props(model, {name: shown(getattr(header, name)) for name in ABOUT})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def card(header: Header, name: str, files: list[Path], half: bool) -> str:
    """The model card of exported weights, as Markdown.

    Args:
        header: Of the weights.
        name: What they are called.
        files: The ONNX files, the denoiser first, and the card.
        half: They compute in float16.
    """
    rows = {
        "file": ", ".join(f"`{file.name}`" for file in files[:-1]),
        "made of": f"`{name}`, sha256 `{header.sha256}`",
        "computes in": "float16, with float32 at its ends" if half else "float32",
        "terms": header.licence,
        "trained on": header.data,
        "trained by": header.source,
        "genrestore": header.version,
    }
    levels, estimated = (header.networks[role].arguments.get("levels", 1) for role in ROLES)
    of = "of luma, (R + G + B) / √3, and of chroma" if levels == 2 else "of R, G and B"
    settings = "\n".join(shown(f"- {key}: {value}") for key, value in sorted(header.training.items()))
    return CARD_TEXT.format(
        name=name,
        table="\n".join(f"| {key} | {shown(value)} |" for key, value in rows.items()),
        denoiser=files[0].name,
        channels=header.channels,
        levels=levels,
        estimated=estimated,
        of=of,
        settings=settings,
    )


CARD_TEXT = """\
# {name}

A denoiser for photographs, exported by genrestore.

| | |
|---|---|
{table}

## Inputs and outputs

All are float32, `[batch, channel, height, width]` of any batch, height and width.

| network | tensor | channels | range |
|---|---|---:|---|
| denoiser | in: `image` | {channels} | RGB as files have it (sRGB's curve), [0, 1]; noise may leave it |
| denoiser | in: `noise_level` | {levels} | σ {of}, at every pixel, on the [0, 1] scale: grey levels / 255 |
| denoiser | out: `denoised` | {channels} | about [0, 1], not clipped |
| estimator | in: `image` | {channels} | as above |
| estimator | out: `noise_level` | {estimated} | as above, at every pixel; goes into the denoiser |

A grey picture is given three times. Tiles of a large picture need an overlap. genrestore itself makes a curve
over brightness out of the estimate before it goes into the denoiser, and takes the mean over turns of small
pictures, so its results are not those of one call of these files.

```python
import numpy, onnxruntime

network = onnxruntime.InferenceSession("{denoiser}")
image = numpy.random.rand(1, {channels}, 480, 320).astype("float32")
level = numpy.full((1, {levels}, 480, 320), 10 / 255, "float32")
(denoised,) = network.run(None, {{"image": image, "noise_level": level}})
```

## Training

{settings}

What the prior `photo` reaches on public test sets is in `docs/measured.md` of genrestore, with the scripts
that measured it.
"""
