"""The command line: words in, words out; computes nothing."""

from __future__ import annotations

import sys
from typing import NoReturn

from genrestore.errors import Interrupted


def main() -> NoReturn:
    """The console script; Ctrl-C ends it in one line even while the app is still being loaded."""
    try:
        from genrestore.cli import app
    except KeyboardInterrupt:
        sys.stderr.write("genrestore: interrupted\n")
        sys.exit(Interrupted.exit_code)
    app.main()
