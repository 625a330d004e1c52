"""Solvers, which bring a data term and a prior together and know nothing of either."""
