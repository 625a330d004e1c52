"""A part of tests/soak; the whole takes hours."""

from __future__ import annotations

from tests.soak import bombs, mutants
from tests.soak.checks import Checks

SEED = 1


def test_some_mutants() -> None:
    checks = Checks()
    mutants.run(checks, SEED, pictures=25, weights=25)
    assert checks.failed == []


def test_some_bombs() -> None:
    checks = Checks()
    bombs.run(checks, SEED, count=2)
    assert checks.failed == []
