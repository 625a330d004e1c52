"""The command line: words in, words out; computes nothing."""
