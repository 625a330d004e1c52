"""Networks to safetensors and back: the header, the store of names, and the one way to load."""
