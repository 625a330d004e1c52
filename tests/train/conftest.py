"""Trainings of tests draw nothing; that they draw is held by test_plots.py and where `drawn` is asked for."""

from __future__ import annotations

import pytest


@pytest.fixture
def drawn() -> None:
    """Losses are drawn, as they are for a user."""


@pytest.fixture(autouse=True)
def _undrawn(request: pytest.FixtureRequest) -> None:
    if "drawn" not in request.fixturenames and request.path.name != "test_plots.py":
        request.getfixturevalue("undrawn")
