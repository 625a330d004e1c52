"""Training: folders of images → weights, by one loop, and one training step for each kind of prior."""
