"""Jobs to outcomes: reading, restoring by what is handed in, writing."""
