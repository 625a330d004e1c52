"""The training loop, what it keeps on disk, and how it is started and resumed."""
