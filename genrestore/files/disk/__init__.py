"""Writing whole files or none: temporaries, renames, rights."""
