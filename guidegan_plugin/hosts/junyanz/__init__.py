"""pytorch-CycleGAN-and-pix2pix (junyanz), its forks, and codebases in its contract, both generations."""
