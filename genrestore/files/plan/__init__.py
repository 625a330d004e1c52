"""From the words of a command line to a list of jobs."""
