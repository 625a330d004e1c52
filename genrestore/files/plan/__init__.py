"""Planning: the words of a command line → a list of jobs."""
