"""Study of latents: where images lie, how well they cover [0, 1]^d, and images of them."""
