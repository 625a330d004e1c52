"""Priors of clean pictures, one file a kind; `settings.PRIORS` is their table."""
