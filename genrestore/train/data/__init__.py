"""Training images and the damage that is done to them."""
