"""The latents of an autoencoder: where images lie, and how well they cover [0, 1]^d."""
