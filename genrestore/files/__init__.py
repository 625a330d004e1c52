"""Bytes to arrays and back: reading, planning, writing. Knows no network, and imports no torch."""
