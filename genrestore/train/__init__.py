"""From folders of images to weights: one loop, and one training step for each kind of prior."""
