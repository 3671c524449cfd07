"""What post-hoc attention reads off a layer: the forward activation, backward gradients, or the mix of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.utils._pytree import tree_leaves

from guidegan_plugin.errors import ConfigError


def magnitude(activation: Tensor) -> Tensor:
    """Sum over channels of the magnitude, as in equation (2).

    The factor ``1/C`` is left out: the min-max normalisation takes every factor out again.

    Args:
        activation: ``(N, C, h, w)``, floating point, an activation or its gradient; left as it is.

    Returns:
        ``(N, 1, h, w)``, float32, detached.
    """
    wide = torch.promote_types(activation.dtype, torch.float32)  # half precision would round the sum
    total: Tensor = torch.linalg.vector_norm(activation.detach(), ord=1, dim=1, keepdim=True, dtype=wide)
    return total.float()


def grad_cam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM, ``ReLU(sum_c w_c * a_c)`` where ``w_c`` is the mean over space of ``d score / d a_c``.

    Args:
        activation: ``(N, C, h, w)``, floating point.
        gradient: ``(N, C, h, w)``, floating point, of the score by that activation.

    Returns:
        ``(N, 1, h, w)``, float32, not negative, detached.
    """
    wide = torch.promote_types(activation.dtype, torch.float32)
    weights = gradient.detach().mean((2, 3), keepdim=True, dtype=wide)
    # Not a matrix product: the host's autocast would take it back to half precision.
    return (weights * activation.detach()).sum(1, keepdim=True, dtype=wide).relu_().float()


def judgements(tensors: list[Tensor]) -> list[Tensor]:
    """Those with one value a patch.

    Features that are returned along, and logits of classes, have more channels and are left out,
    unless there is nothing else.
    """
    return [tensor for tensor in tensors if tensor.dim() < 2 or tensor.shape[1] == 1] or tensors


def predictions(answer: object) -> list[Tensor]:
    """The judgements in what a discriminator answered, whose sum is the score.

    Args:
        answer: A tensor, or lists, tuples and dictionaries of them, nested in any way.

    Returns:
        Tensors that carry a gradient; of several scales, all.
    """
    return judgements([leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor) and leaf.requires_grad])


def score(answer: object) -> Tensor | None:
    """How real D finds a batch: the mean of its prediction over images, patches and scales.

    Args:
        answer: What D answered, as for :func:`predictions`, with or without gradient.

    Returns:
        One value, float32, detached, on D's device; None if the answer holds no tensor that is found.
    """
    found = judgements([leaf for leaf in tree_leaves(answer) if isinstance(leaf, Tensor)])
    means = [prediction.detach().float().mean() for prediction in found]
    return torch.stack([mean.to(means[0].device) for mean in means]).mean() if means else None


def normalises_by_batch(module: nn.Module) -> bool:
    """Whether a normalisation removes the mean of the very images it is given, not one it has learned."""
    return module.training or not getattr(module, "track_running_stats", False)


def edge_of(output: Tensor) -> GradientEdge | None:
    """Where a layer's output stands in the graph.

    Not the output itself is kept, since an in-place layer behind it moves the tensor on to its own result. Nor the edge
    of a view (``F.instance_norm`` returns one): an in-place layer takes a view's node off the path, but not its base's.

    Args:
        output: What a layer has just returned.

    Returns:
        An edge whose gradient has the output's values in the output's order; None without a graph.
    """
    base = output._base
    whole = base is not None and base.numel() == output.numel() and base.is_contiguous() and output.is_contiguous()
    return get_gradient_edge(base if base is not None and whole else output) if output.requires_grad else None


@dataclass(frozen=True)
class Reading:
    """What was kept of one pass through a layer, until D has answered.

    Attributes:
        values: What the signal keeps of the layer's output.
        edge: Where that output stands in the graph; None without one, or if the signal needs no gradient.
    """

    values: Tensor
    edge: GradientEdge | None = None


@dataclass(frozen=True)
class Signal:
    """One of the paper's three sources of a map.

    Attributes:
        keep: Takes the layer's output inside its hook, before an in-place layer can overwrite it.
        weigh: Makes the signal ``(N, 1, h, w)`` of what was kept and the gradient; None if what was kept is it.
        needs_mean: Whether the mean gradient of a channel matters. A normalisation by the batch makes it zero.
    """

    keep: Callable[[Tensor], Tensor]
    weigh: Callable[[Tensor, Tensor], Tensor] | None = None
    needs_mean: bool = False

    def read(self, output: Tensor) -> Reading:
        """Keep what is needed of a layer's output ``(N, C, h, w)``."""
        return Reading(self.keep(output), None if self.weigh is None else edge_of(output))

    def finish(self, readings: Sequence[Reading], answer: object) -> list[Tensor]:
        """The signals of all readings of one call; gradients cost one backward from D's answer to the layer.

        Args:
            readings: What was kept.
            answer: What the discriminator answered.

        Returns:
            ``(N, 1, h, w)`` a reading, float32, detached; none if a gradient is needed and the call made no graph.

        Raises:
            ConfigError: If the answer does not depend on a layer.
        """
        if self.weigh is None:
            return [reading.values for reading in readings]
        judged = predictions(answer)
        if not judged:
            return []
        edges = [reading.edge for reading in readings if reading.edge is not None]
        ones = [torch.ones_like(prediction) for prediction in judged]
        found = torch.autograd.grad(judged, edges, ones, retain_graph=True, allow_unused=True) if edges else ()
        gradients = [gradient for gradient in found if gradient is not None]
        if len(gradients) < len(readings):
            raise ConfigError(
                "no gradient flows from the discriminator's answer to the tapped layer (unused, detached, or in a "
                "reentrant checkpoint); change layer (--guide_layer), or signal to activation (--guide_signal)"
            )
        return [
            self.weigh(one.values, gradient.reshape(one.values.shape))
            for one, gradient in zip(readings, gradients, strict=True)
        ]


SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        "activation": Signal(magnitude),
        "gradcam": Signal(lambda output: output.detach().clone(), grad_cam, needs_mean=True),
        "gradient": Signal(torch.Tensor.detach, lambda _, gradient: magnitude(gradient)),
    }
)


def find_signal(name: str) -> Signal:
    """A signal by its name.

    Raises:
        ConfigError: If it is unknown; the message lists those there are.
    """
    if name not in SIGNALS:
        raise ConfigError(
            f"signal {name!r} is unknown, known are: {', '.join(SIGNALS)}; change signal (--guide_signal)"
        )
    return SIGNALS[name]
