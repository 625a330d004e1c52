"""One training for each kind of network: its batch, its step, its validation."""
