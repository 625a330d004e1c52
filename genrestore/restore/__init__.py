"""Restoration: tensors in, tensors out. Knows no file and no terminal."""
