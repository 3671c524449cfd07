"""The junyanz family, both generations: pytorch-CycleGAN-and-pix2pix, forks, and codebases with the same classes."""
