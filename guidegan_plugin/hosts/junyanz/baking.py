"""``guidegan bake``: a plain checkpoint of the family out of a guided one, where that is exact.

A checkpoint has weights and keys, no structure. How it was guided stands in the store beside it; how the generator
begins, and what its first convolution sees beyond the border, follows from the keys.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from guidegan_plugin.attaching.mechanism_options import build, defaults
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.concatenation.transfer import Transfer
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING, config_of, load_facts
from guidegan_plugin.hosts.junyanz.weights_file import read_weights
from guidegan_plugin.plugins.manager import collect, create_manager, resolve
from guidegan_plugin.utils.files import explain, put_in_place, staging

_BAKED = "guidegan_baked"
_INSTEAD = "test it with --model guide_<x> instead"


@dataclass(frozen=True)
class _Beginning:
    """How one kind of the family's generators begins."""

    kind: str
    convolution: str
    kernel: int
    norm: str | None  # what reads the convolution's output, if that is a norm
    zero_padding: bool
    others: str  # keys that only this kind has


_BEGINNINGS = (
    _Beginning("ResNet", "model.1", 7, "model.2", False, r"model\.\d+\.conv_block\."),
    _Beginning("U-Net", "model.model.0", 4, None, True, r"model\.model\.1\.model\."),
)


def bake(
    checkpoint: Path,
    out: Path,
    concat: str | None = None,
    channels: int = 3,
    epoch: str = "latest",
    test_map: str | None = None,
) -> list[Path]:
    """Write a checkpoint with which the bare host computes what guided test time does, whole or not at all.

    Args:
        checkpoint: A generator's file, or a folder of checkpoints, whose generators of one epoch are baked.
        out: A new file, or a new folder.
        concat: Name of the concatenation where no store says it; T was bilinear then.
        channels: Of the images the generator reads.
        epoch: Which checkpoint of a folder.
        test_map: The map that test time gives the generator; by default what the store says, else ones.

    Returns:
        The files written.

    Raises:
        ConfigError: If baking would not be exact, or an argument cannot be.
        StoreError: If the checkpoint is missing, foreign or baked already, or the result cannot be written.
    """
    if out.exists():
        raise StoreError(f"{out} exists already and nothing is overwritten; change --out")
    sources = [checkpoint]
    if checkpoint.is_dir():
        sources = sorted(path for path in checkpoint.glob("*.pth") if path.name.startswith(f"{epoch}_net_G"))
        if not sources:
            raise StoreError(f"{checkpoint} holds no {epoch}_net_G*.pth; change CKPT or --epoch")
    baked = {}
    for source in sources:
        weights = read_weights(source, "change CKPT")
        baked[source.name] = bake_weights(weights, _guided_by(source, concat, test_map), channels, source.name)
    _write(baked, out, checkpoint.is_dir())
    return [out / name for name in baked] if checkpoint.is_dir() else [out]


def bake_weights(
    weights: Mapping[str, Tensor], config: GuideConfig, channels: int, name: str
) -> OrderedDict[str, Tensor]:
    """Fold what test time blends in into a generator's weights.

    Twice would be wrong and weights cannot show it, so the result is marked where keys are not touched: in
    ``_metadata``, which the host drops when it loads a file. Weights trained on from there are not marked.

    Args:
        weights: State dict of a generator of the family.
        config: How the generator was guided: its concatenation, and what that depends on.
        channels: Of the images the generator reads.
        name: Of the checkpoint, for messages.

    Returns:
        The same keys; under alpha the first convolution is as wide as the host's.

    Raises:
        ConfigError: If it would not be exact.
        StoreError: If these are no such weights.
    """
    metadata: dict[str, object] = getattr(weights, "_metadata", None) or {}
    if _BAKED in metadata:
        raise StoreError(f"{name} is baked already, twice would be wrong; give it to the bare host, or change CKPT")
    begin = _beginning(weights, name)
    baked, weight = OrderedDict(weights), weights[f"{begin.convolution}.weight"]
    concat = config.concat
    concatenation = build(_registered(concat), config)
    width = concatenation.blend(torch.zeros(1, channels, 1, 1), torch.ones(1, 1, 1, 1)).shape[1]
    if weight.shape[1] != width:
        raise ConfigError(
            f"{name} takes {weight.shape[1]} channels, expected {width} (concat={concat}, images of {channels}); "
            "change --channels (what the host calls --input_nc) or --concat"
        )
    baked[f"{begin.convolution}.weight"], constant = concatenation.bake(weight, channels)
    if constant is not None:
        key, sign = _place_of_constant(weights, begin, name)
        baked[key] = (weights[key].double() + sign * constant).to(weights[key].dtype)
    setattr(baked, "_metadata", {**metadata, _BAKED: {"concat": concat}})  # noqa: B010 - torch keeps it so, too
    return baked


def _registered(concat: str) -> type[Concatenation]:
    found: dict[str, type[Concatenation]] = collect(create_manager(), "concatenation")
    if concat not in found:
        raise ConfigError(f"concat={concat} (--concat) cannot be baked, known are {', '.join(found)}; {_INSTEAD}")
    return found[concat]


def _beginning(weights: Mapping[str, Tensor], name: str) -> _Beginning:
    for begin in _BEGINNINGS:
        weight = weights.get(f"{begin.convolution}.weight")
        square = (begin.kernel, begin.kernel)
        if weight is not None and weight.shape[2:] == square and any(re.match(begin.others, key) for key in weights):
            return begin
    key = next((key for key, value in weights.items() if value.dim() == 4), next(iter(weights)))
    judge = ", as a PatchGAN discriminator does" if key in ("model.0.weight", "net.0.weight") else ""
    raise StoreError(
        f"{name} is neither a ResNet nor a U-Net generator of the family: it begins with {key} "
        f"{tuple(weights[key].shape)}{judge}; change CKPT, or {_INSTEAD}"
    )


def _place_of_constant(weights: Mapping[str, Tensor], begin: _Beginning, name: str) -> tuple[str, int]:
    """Where a constant of each output channel can go, and its sign there."""
    if begin.zero_padding:
        raise ConfigError(
            f"{name}: concat=alpha cannot be baked into a {begin.kind}, whose first convolution ({begin.convolution}) "
            f"pads with zeros: the channel of ones ends at the border; {_INSTEAD}"
        )
    if f"{begin.convolution}.bias" in weights:
        return f"{begin.convolution}.bias", 1
    # Batch norm subtracts its mean: the running one in eval mode, the batch's own otherwise, which swallows a constant.
    if f"{begin.norm}.running_mean" in weights:
        return f"{begin.norm}.running_mean", -1
    raise ConfigError(
        f"{name}: concat=alpha cannot be baked, the first convolution ({begin.convolution}) has no bias and no batch "
        f"norm follows, so there is no key for the constant; {_INSTEAD}"
    )


def _guided_by(checkpoint: Path, given: str | None, test_map: str | None) -> GuideConfig:
    """How a checkpoint was guided, as far as baking needs it: what its store says, else what the user does."""
    store = checkpoint.with_name(f"{checkpoint.stem.partition('_net_')[0]}{STORE_ENDING}")
    said = config_of(load_facts(store, "move it elsewhere and say --concat")) if store.is_file() else {}
    transfer, concat = str(said.get("transfer", GuideConfig().transfer)), said.get("concat", given)
    if concat is None:
        raise StoreError(f"no store {store} says how {checkpoint.name} was guided; add --concat rhp or --concat alpha")
    if given not in (None, concat):
        raise ConfigError(f"{store} says concat={concat}, not {given}; leave out --concat")
    _refuse_varying(str(concat), test_map or str(said.get("test_map", "ones")), checkpoint.name)
    kind: type[Transfer] = resolve(create_manager(), "transfer", transfer, "transfer")
    if not kind.keeps_ones:
        raise ConfigError(
            f"transfer={transfer} ({store.name}) cannot be baked: it does not leave a map of ones as it is; {_INSTEAD}"
        )
    options = {name: said[name] for name in defaults(create_manager()) if name in said}
    return GuideConfig(concat=str(concat), strength=float(said.get("strength", 1.0)), options=options)


def _refuse_varying(concat: str, test_map: str, name: str) -> None:
    """Refuse a map that differs from place to place, or from image to image: a convolution's weights do not.

    Raises:
        ConfigError: If it is one, and the generator is given it.
    """
    if test_map not in (kinds := ("ones", "mean", "predict")):
        raise ConfigError(f"test_map: expected one of {', '.join(kinds)}, found {test_map!r}; change --test-map")
    if _registered(concat).weighs or test_map == "ones":  # what weighs a gradient leaves the input alone
        return
    alone = "test it with --guide_test_map, or make one module of both, guide.standalone()"
    if test_map == "predict":
        raise ConfigError(f"{name}: test_map=predict cannot be baked, the map is another one for each image; {alone}")
    varies = "adds another constant" if concat == "alpha" else "gives the input another factor"
    raise ConfigError(
        f"{name}: test_map=mean cannot be baked, with concat={concat} the map {varies} at each place, and weights and "
        f"bias of a convolution are the same at all places; {alone}"
    )


def _write(baked: Mapping[str, Mapping[str, Tensor]], out: Path, into_folder: bool) -> None:
    """Weights by file name, into a new folder, or the only ones into a new file."""
    try:
        with staging(out) as fresh:
            try:
                for name, weights in baked.items():
                    torch.save(weights, fresh / name)
            except (OSError, RuntimeError) as error:  # while what fills the disk is still there
                raise _not_written(out, error, fresh) from error
            put_in_place(fresh if into_folder else fresh / next(iter(baked)), out)
    except OSError as error:
        raise _not_written(out, error, out.parent) from error


def _not_written(out: Path, error: OSError | RuntimeError, folder: Path) -> StoreError:
    reason, cure = explain(error, folder)
    return StoreError(f"{out} could not be written ({reason}); {cure} or change --out")
