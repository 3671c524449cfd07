"""A predictor in training: passes over its examples, each the same after a cut as without."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from guidegan_plugin.guidance.test_time.map_predictor import MapPredictor
from guidegan_plugin.prediction.examples import Group

BATCH = 16
_RATE = 2e-3
_STEPS = 1 << 24  # that a training may have done: above, float32 does not count on
_MOMENTS = ("exp_avg", "exp_avg_sq")


class Learning:
    """Trains one predictor.

    Args:
        network: It; its weights are drawn anew, always the same.
        passes: Over the examples, in all.
        mirrored: Whether examples are also shown mirrored, half of the time.

    Attributes:
        done: Passes that are over.
    """

    def __init__(self, network: MapPredictor, passes: int, mirrored: bool) -> None:
        self.network, self._passes, self._mirrored, self.done = network, passes, mirrored, 0
        self._optimizer = torch.optim.Adam(network.parameters(), _RATE, weight_decay=1e-5)

    def one_pass(self, groups: Sequence[Group]) -> None:
        """Show every example once."""
        generator = torch.Generator().manual_seed(self.done)
        batches = list(_batches(groups, generator))
        for number, (group, rows) in enumerate(batches):
            progress = (self.done + number / len(batches)) / self._passes
            for settings in self._optimizer.param_groups:
                settings["lr"] = _RATE * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
            self._step(group, rows, generator)
        self.done += 1

    def _step(self, group: Group, rows: Tensor, generator: torch.Generator) -> None:
        device = self.network.head.weight.device
        images, maps = group.images[rows].to(device).float(), group.maps[rows].to(device)
        if self._mirrored and torch.rand((), generator=generator) < 0.5:
            images, maps = images.flip(-1), maps.flip(-1)
        self._optimizer.zero_grad(set_to_none=True)
        F.mse_loss(self.network.maps(images), maps).backward()
        self._optimizer.step()

    def predict(self, group: Group) -> Tensor:
        """Predicted maps of examples ``(n, 1, h, w)``, on the CPU."""
        device = self.network.head.weight.device
        with torch.no_grad():
            return torch.cat([self.network.maps(some.to(device).float()).cpu() for some in group.images.split(64)])

    def state(self) -> dict[str, Tensor]:
        """Weights and moments by name, and ``passes`` that are over."""
        found = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            kept = self._optimizer.state.get(parameter, {})
            found |= {f"{moment}.{name}": kept[moment] for moment in _MOMENTS if moment in kept}
            found |= {f"step.{name}": torch.as_tensor(kept["step"]) for _ in range("step" in kept)}
        return {**found, "passes": torch.tensor(self.done)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a :meth:`state`, or from the start where it is of another training.

        Args:
            state: By name; whatever it holds, all of it is looked at first.

        Raises:
            ValueError: If it is of another training; nothing is taken then.
        """
        wanted = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            wanted |= {f"{moment}.{name}": parameter for moment in _MOMENTS}
            wanted[f"step.{name}"] = torch.zeros(())
        for name, like in wanted.items():
            value = state.get(name, like[None])
            if value.shape != like.shape or value.dtype != like.dtype or not value.isfinite().all():
                raise ValueError(f"{name} is missing, or of another shape")
            # Adam divides by what it makes of the number of its steps, and takes the root of the second moment.
            steps, squares = name.startswith("step."), name.startswith("exp_avg_sq.")
            if (steps and not (0 < value < _STEPS and value == value.round())) or (squares and (value < 0).any()):
                raise ValueError(f"{name} is no state of Adam's")
        passes = state.get("passes", torch.tensor(-1))
        if passes.shape or passes.is_floating_point() or not 0 < int(passes) <= self._passes:
            raise ValueError("passes is no number of passes")
        self.network.load_state_dict({name: state[f"network.{name}"] for name in self.network.state_dict()})
        for name, parameter in self.network.named_parameters():
            moments = {moment: state[f"{moment}.{name}"].to(parameter.device) for moment in _MOMENTS}
            self._optimizer.state[parameter] = {"step": state[f"step.{name}"].clone(), **moments}
        self.done = int(passes)


def _batches(groups: Sequence[Group], generator: torch.Generator) -> Iterator[tuple[Group, Tensor]]:
    """All examples in a random order, a batch of one group at a time."""
    batches = [
        (group, rows) for group in groups for rows in torch.randperm(len(group), generator=generator).split(BATCH)
    ]
    for index in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[index]
