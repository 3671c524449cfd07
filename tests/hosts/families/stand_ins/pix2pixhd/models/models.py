"""Makes the model that a script wants; for training the whole of it is in DataParallel."""

from __future__ import annotations

from argparse import Namespace

from torch import nn


def create_model(opt: Namespace) -> nn.Module:
    from .pix2pixHD_model import InferenceModel, Pix2PixHDModel

    model = Pix2PixHDModel() if opt.isTrain else InferenceModel()
    model.initialize(opt)
    return nn.DataParallel(model) if opt.isTrain else model
