"""``python -m genrestore``, the same as the console script."""

from __future__ import annotations

from genrestore.cli import main

if __name__ == "__main__":
    main()
