"""WebP: where the record of the settings goes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from genrestore.files.codecs import images
from tests.files import make


@pytest.mark.parametrize("record", [{"tool": "genrestore"}, {"tool": "genrestore", "odd": 1}])
def test_a_picture_with_xmp_keeps_it_and_says_how_it_was_made(
    tmp_path: Path, record: dict[str, object]
) -> None:
    path = make.save(tmp_path / "a.webp", make.smooth(3), lossless=True, xmp=make.XMP)
    path.write_bytes(make.encoded(images.read(path), "WEBP", record))
    assert images.read_provenance(path) == record
    raw = path.read_bytes()
    assert int.from_bytes(raw[4:8], "little") == len(raw) - 8
    with Pillow.open(io.BytesIO(raw)) as found:
        assert found.info["xmp"] == make.XMP
        assert np.array_equal(np.asarray(found), make.smooth(3))
    path.write_bytes(make.encoded(images.read(path), "WEBP"))
    assert images.read_provenance(path) is None
