"""Results that --skip-existing leaves alone, since this run would write them again as they are.

A result says in its provenance how it was made (tool, version, weights, options, seed) and of which input.
One that says what this run would say, and that can be decoded, is done. What does not say that genrestore
made it is someone else's, whatever it is, and is never replaced. Needs no network and no torch.
"""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genrestore.errors import InputError
from genrestore.files.codecs import metadata
from genrestore.files.codecs.metadata import Provenance
from genrestore.files.plan.jobs import Attachment, Job, beside, comparison_path
from genrestore.files.plan.sources import AVOIDED, MASK, SOURCE, is_file, mask_of, source_sha256

NOT_COMPARED = frozenset({"weights", "noise_level", SOURCE, MASK, AVOIDED})
"""Keys of provenance that are a mere name, a finding, or compared on their own."""
NOT_OURS = "genrestore did not note that it made it"
PANELS = 3
"""A comparison is at most so many pictures wide."""
_DAMAGED = "it was damaged"


@dataclass(frozen=True)
class Existing:
    """A verdict on an output that exists; nothing is set where none does.

    Attributes:
        done: Why nothing is left to do.
        stale: Why it is made again.
        foreign: What is there instead, which must stay.
    """

    done: str | None = None
    stale: str | None = None
    foreign: Path | None = None


def examine(
    job: Job,
    provenance: Provenance | None,
    *,
    compare: bool,
    max_pixels: int,
    attachment: Attachment | None = None,
) -> Existing:
    """Look at what is where a job's output would go.

    Args:
        job: With a source and a target that are files; for others there is nothing to find.
        provenance: What this run would write, but for the noise level and the source; None: it writes none,
            and then an output counts as done if it can be decoded.
        compare: A comparison belongs to the output.
        max_pixels: As for inputs.
        attachment: What else belongs to the output; only whether it is there is looked at.
    """
    if job.source is None or job.target is None or not is_file(job.source):
        return Existing()
    wanted = None if provenance is None else json.loads(metadata.pack_provenance(provenance))
    if job.target == job.source:
        return _in_place(job.source, wanted)
    paths = [job.target, comparison_path(job.target)] if compare else [job.target]
    there = [path for path in paths if os.path.lexists(path)]
    attached = attachment is not None and os.path.lexists(attachment.path(job.target))
    for path in [job.target, *beside(job.target, attachment, compare=compare)]:
        if is_foreign(path, attachment, has_provenance=wanted is not None):
            return Existing(foreign=path)
    if attachment is not None and attached and job.target not in there:
        return Existing(stale=f"only {attachment.what} was there")
    if not there:
        return Existing()
    if len(there) < len(paths):
        alone = "the comparison was missing" if job.target in there else "only the comparison was there"
        return Existing(stale=alone)
    if attachment is not None and not attached:
        return Existing(stale=f"{attachment.what} was missing")
    for path in paths:
        if reason := _difference(path, job, wanted, max_pixels):
            return Existing(stale=reason)
    if wanted is None:
        return Existing(done="exists and can be decoded; with --no-provenance nothing more is compared")
    return Existing(done="done before, with the same parameters")


def is_foreign(path: Path, attachment: Attachment | None = None, *, has_provenance: bool = True) -> bool:
    """Tell whether something is there that does not say that genrestore made it.

    Args:
        path: Of a result, or of what is beside it.
        attachment: What else is written beside results.
        has_provenance: Of results. Where they have none, a picture that can be decoded may be one.
    """
    if not os.path.lexists(path) or metadata.is_ours(path):
        return False
    if attachment is not None and path.name.endswith(f".{attachment.suffix}"):
        return not attachment.is_ours(path)
    return has_provenance or not is_file(path) or _format(path) is None  # a pipe may keep us waiting for ever


def _own_provenance(path: Path) -> dict[str, Any] | None:
    found = metadata.read_provenance(path)
    return found if found is not None and found.get("tool") == metadata.TOOL else None


def _format(path: Path, max_pixels: int | None = None) -> str | None:
    """The format of a picture; None if it cannot be decoded."""
    from genrestore.files.codecs import images

    try:
        return images.read(path, max_pixels=max_pixels or images.DEFAULT_MAX_PIXELS).metadata.format
    except InputError:
        return None


def _in_place(source: Path, wanted: Mapping[str, Any] | None) -> Existing:
    """An input that is a result of this command is never restored twice, since the original is gone."""
    found = _own_provenance(source)
    if found is None or wanted is None or found.get("command") != wanted.get("command"):
        return Existing()
    reason = _changed(found, wanted)
    other = f"; {reason}, and the original is gone" if reason else ""
    return Existing(done=f"restored in place before{other}")


def _difference(path: Path, job: Job, wanted: Mapping[str, Any] | None, max_pixels: int) -> str | None:
    """The reason why an output is not what this run would write, or None if it is."""
    assert job.source is not None
    found = _own_provenance(path)
    if found is None and (wanted is not None or metadata.is_ours(path)):  # which a decoder may not mind
        return _DAMAGED
    if wanted is not None and found is not None:
        if reason := _changed(found, wanted):
            return reason
        if found.get(SOURCE) != source_sha256(job.source):
            return "the input was another one"
        for key, what in {MASK: "the mask", AVOIDED: "the mask of --avoid"}.items():
            if found.get(key) != mask_of(job).get(key):
                return f"{what} was another one"
    if (format := _format(path, PANELS * max_pixels)) is None:
        return _DAMAGED
    return f"it was {format}" if job.format not in (None, format) else None


def _changed(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """The first of the parameters that is another one, in words, or None."""
    for key in (*wanted, *sorted(found.keys() - wanted.keys())):
        if key in NOT_COMPARED or found.get(key) == wanted.get(key):
            continue
        if key == "weights_sha256":
            return "the weights were others"
        return f"{key} was {'not given' if found.get(key) is None else reprlib.repr(found[key])}"
    return None
