"""Formats: bytes of a file to pixels and metadata, and back."""
