"""kill -9 twenty times in one batch, then Ctrl-C and SIGTERM; the next run always finishes."""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests import tiny
from tests.faults import DEADLINE, GENRESTORE, Place, contents, fill, left_overs, read_to_end
from tests.soak.checks import Checks


def kill_once(place: Place, draw: random.Random, number: int) -> str:
    """Start a run and kill it: early, while a result is being written, or at any moment; says which."""
    moment = ("before the first result", "while a result is written", "at any moment")[number % 3]
    with place.start("--skip-existing") as process:
        assert process.stderr is not None
        if moment == "before the first result":
            time.sleep(draw.uniform(0, 4))
        else:
            for line in process.stderr:
                if b" -> " in line:
                    break
        if moment == "while a result is written":
            before = set(left_overs(place.results))
            while process.poll() is None and set(left_overs(place.results)) <= before:
                time.sleep(0.0002)
        elif moment == "at any moment":
            time.sleep(draw.uniform(0, 0.5))
        process.kill()
        process.wait(DEADLINE)
    return moment


def interrupt(checks: Checks, place: Place, number: signal.Signals, within: float) -> None:
    """Ctrl-C or SIGTERM after the first result."""

    def as_in_a_terminal() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with place.start(preexec_fn=as_in_a_terminal) as process:
        assert process.stderr is not None
        process.stderr.readline()
        sent = time.monotonic()
        process.send_signal(number)
        code, said = read_to_end(process)
    seconds, done = time.monotonic() - sent, len(place.check())
    checks.holds(code == 130, f"{number.name}: exit code 130 (was {code})")
    checks.holds(seconds <= within, f"{number.name}: ended within {within:g} s (took {seconds:.2f} s)")
    checks.holds(
        said[-1] == f"genrestore: interrupted: {done} done, {len(place.before) - done} left",
        f"{number.name}: says how many are done and left ({said[-1]})",
    )


def main() -> None:
    """Parse the words and run."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--kills", type=int, default=20, help="how often (20)")
    words.add_argument("--pictures", type=int, default=120, help="in the batch (120)")
    words.add_argument("--within", type=float, default=1.0, help="seconds an interruption may take (1)")
    words.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    asked = words.parse_args()
    draw, checks = random.Random(asked.seed), Checks()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root / "in", asked.pictures)
        place = Place(str(tiny.save_denoiser(root)), root / "in", root / "out")
        left = 0
        for number in range(asked.kills):
            moment = kill_once(place, draw, number)
            try:
                found, problem = place.check(), ""
            except AssertionError as error:
                found, problem = contents(place.results), f": {error}"
            left = max(left, len(left_overs(place.results)))
            checks.holds(not problem, f"kill {number + 1}, {moment}: {len(found)} whole results{problem}")
        last = subprocess.run([*GENRESTORE, *place.words("--skip-existing", "-q")], check=False)
        checks.holds(last.returncode == 0, f"the next run ends with 0 (was {last.returncode})")
        undisturbed = Place(place.weights, place.inputs, root / "undisturbed")
        subprocess.run([*GENRESTORE, *undisturbed.words("-q")], check=True)
        same = contents(place.results) == undisturbed.check_finished()
        checks.holds(same, f"all {asked.pictures} results are those of an undisturbed run, to the byte")
        checks.holds(not left_overs(place.results), f"nothing is left behind (up to {left} files were)")
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            place.results = root / signal_number.name
            interrupt(checks, place, signal_number, asked.within)
    checks.end()


if __name__ == "__main__":
    main()
