from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.fake_tracking import fresh_fake, mark, obstacle
from guidegan_plugin.guidance.calls.graph_walk import AFFINE
from guidegan_plugin.guidance.calls.rows import Made


def written(fake: Tensor, part: Any, value: Any) -> Tensor:
    """A copy of a fake, something written into a part of it; without a value, that part, computed upon in place."""
    copied = fake.clone()
    if value is None:
        return copied[part].mul_(1)
    copied[part] = value
    return copied


REAL = torch.rand(2, 3, 8, 8)
TELLS = hasattr(written(REAL * torch.ones(1, requires_grad=True), 0, 0.0).grad_fn, "_wrapped_node")


@pytest.fixture
def visit() -> Visit:
    return SourceBinding().bind("A", REAL, ["a", "b"])


def rows_of(images: Tensor, affine: bool = False) -> list[int | str]:
    """The bound row that each row of a tensor is a fresh fake of, with flips; ``-`` for another row."""
    made = fresh_fake(images, affine)
    return [] if made is None else ["-" if row is None else f"{row.index}{row.flips}" for row in made.rows]


@pytest.fixture
def fake(visit: Visit) -> Tensor:
    made = torch.tanh(torch.rand(2, 3, 8, 8, requires_grad=True) * 2)
    mark(made, Made(visit.rows, "", (1, ())))
    return made


@pytest.mark.parametrize(
    ("derive", "rows"),
    [
        (lambda fake: fake, "0 1"),
        (lambda fake: torch.cat([REAL, fake], 1), "0 1"),
        (lambda fake: torch.cat([fake, REAL], 1)[:1], "0"),
        (lambda fake: torch.cat([REAL, fake], 1)[:, -3:], "0 1"),
        (lambda fake: torch.cat([REAL, fake], 1)[:, 2:], "0 1"),
        (lambda fake: torch.cat([fake, REAL], 1).chunk(2, 1)[0], "0 1"),
        (lambda fake: fake[1:], "1"),
        (lambda fake: fake[::2], "0"),
        (lambda fake: torch.cat([REAL, fake]), "- - 0 1"),
        (lambda fake: torch.cat([fake[1:], REAL, fake[:1]]), "1 - - 0"),
        (lambda fake: fake.half(), "0 1"),
        (lambda fake: fake.clone().flip(3), "0x 1x"),
        (lambda fake: fake.flip(-2, -1), "0xy 1xy"),
        (lambda fake: fake.flip(0), "1 0"),
        (lambda fake: fake[[1, 0]], "1 0"),
        (lambda fake: fake.index_select(0, torch.tensor([1])), "1"),
        (lambda fake: fake[torch.tensor([False, True])], "1"),
        (lambda fake: fake.repeat(2, 1, 1, 1), "0 1 0 1"),
        (lambda fake: fake.to(memory_format=torch.channels_last), "0 1"),
        (lambda fake: fake.view(2, 3, 64).view(2, 3, 8, 8), "0 1"),
        (lambda fake: fake.permute(0, 2, 3, 1).permute(0, 3, 1, 2), "0 1"),
        (lambda fake: torch.stack(fake.unbind(0)), "0 1"),
        (lambda fake: torch.stack([fake[1], fake[0]]), "1 0"),
        (lambda fake: torch.cat(fake.chunk(2)[::-1]), "1 0"),
        (lambda fake: fake[1].unsqueeze(0), "1"),
        (lambda fake: torch.cat(torch.split(fake, [1, 1])[::-1]), "1 0"),
        (lambda fake: fake[..., 1:-1, 1:-1], "0 1"),
        (lambda fake: fake[-1:], "1"),
        (lambda fake: fake[-1][None], "1"),
        (lambda fake: fake.narrow(0, -2, 1), "0"),
        (lambda fake: fake.index_select(-4, torch.tensor([1])), "1"),
        (lambda fake: fake[:, [2, 1, 0]], "0 1"),
        (lambda fake: fake[:1][None].flip(-1)[0], "0x"),
        (lambda fake: fake.repeat_interleave(2, 0), "0 0 1 1"),
        (lambda fake: torch.zeros(2, 3, 8, 8).copy_(fake), "0 1"),
        (lambda fake: torch.cat([REAL, REAL[:1], fake]), "- - - 0 1"),
        (lambda fake: torch.cat([torch.cat([REAL, fake], 1), torch.cat([REAL, REAL], 1)])[..., 1:], "0 1 - -"),
    ],
)
def test_the_fresh_fake_moved_about_is_recognised_row_by_row(
    derive: Callable[[Tensor], Tensor], rows: str, fake: Tensor
) -> None:
    assert rows_of(derive(fake)) == rows.split()


@pytest.mark.skipif(not TELLS, reason="nodes of this release tell neither shapes nor what was written into a part")
@pytest.mark.parametrize(
    ("derive", "rows"),
    [
        (lambda fake: fake.unbind(-4)[1][None], "1"),
        (lambda fake: torch.cat([REAL, fake, fake], 1)[:, 4:7], "0 1"),
        (lambda fake: torch.cat([REAL, fake], 1)[:, 3:][:, :2], "0 1"),
        (lambda fake: torch.nn.functional.pad(fake, (1, 1, 1, 1), mode="circular"), "0 1"),
        (lambda fake: written(fake, (slice(None), slice(None), slice(0, 2)), 0.0), "0 1"),
        (lambda fake: written(fake, slice(None), fake.flip(0)), "1 0"),
        (lambda fake: written(fake, slice(1, 2), None), "1"),
        (lambda fake: written(fake, 0, 0.0), ""),
    ],
)
def test_rows_stay_what_they_are_where_a_part_was_written_to(
    derive: Callable[[Tensor], Tensor], rows: str, fake: Tensor
) -> None:
    judged = derive(fake)
    assert rows_of(judged) == rows.split()
    assert rows or obstacle(judged) == "fill_ into a part"


@pytest.mark.parametrize(
    ("derive", "operation"),
    [
        (lambda fake: fake + 0.1 * torch.randn_like(fake), "add"),
        (lambda fake: fake.clamp(-1, 1), "clamp"),
        (lambda fake: fake * 0.5 + 0.5, "add"),
        (lambda fake: fake + torch.rand(2, 1, 1, 1) - 0.5, "sub"),
        (lambda fake: torch.nn.functional.interpolate(fake, scale_factor=0.5, mode="bilinear"), "upsamplebilinear2d"),
        (lambda fake: torch.nn.functional.pad(fake, (1, 1, 1, 1)), "constantpadnd"),
        (lambda fake: torch.nn.functional.avg_pool2d(fake, 2), "avgpool2d"),
    ],
)
def test_what_was_computed_upon_the_fake_is_named_and_recognised_where_that_is_asked_for(
    derive: Callable[[Tensor], Tensor], operation: str, fake: Tensor
) -> None:
    judged = derive(fake)
    assert rows_of(judged) == [] and obstacle(judged) == operation
    assert rows_of(judged, affine=True) == ["0", "1"]


class Scatter(torch.autograd.Function):
    """Somebody's own, which has the name of an operation that moves."""

    @staticmethod
    def forward(ctx: object, images: Tensor) -> Tensor:
        return images.flip(0)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient.flip(0)


class Clone(Scatter):
    """Another."""


ZEROS = torch.zeros(1, 3, 8, 8, dtype=torch.long)


@pytest.mark.parametrize(
    ("derive", "operation"),
    [
        (lambda fake: fake[:, :2].transpose(0, 1), "transpose"),
        (lambda fake: fake[:, :2].permute(1, 0, 2, 3), "permute"),
        (lambda fake: fake[:, :2].movedim(0, 1), "permute"),
        (lambda fake: fake[:, :2, 0, 0].t()[..., None, None], "t"),
        (lambda fake: fake.expand(2, 2, 3, 8, 8), "expand"),
        (lambda fake: fake.repeat(2, 1, 1, 1, 1).flatten(0, 1), "repeat"),
        (lambda fake: fake[None], "unsqueeze"),
        (lambda fake: fake.roll(1, 0), "roll"),
        (lambda fake: fake.gather(0, 1 - ZEROS.expand(2, 3, 8, 8)), "gather"),
        (lambda fake: fake.scatter(0, ZEROS, REAL), "scatter"),
        (lambda fake: Clone.apply(fake), "clone"),
        (lambda fake: written(fake, 0, fake[1]), "copy_ into a part"),
        (lambda fake: written(torch.cat([REAL, REAL]), slice(0, 2), fake), "copy_ into a part"),
        (lambda fake: torch.cat([fake, REAL], 1).chunk(2, 1)[1], "split"),
        (lambda fake: torch.cat([fake, REAL], 1)[:, 3:], "slice"),
        (lambda fake: torch.cat([REAL, fake, REAL], 1)[:, 4:5], "slice"),
        (lambda fake: torch.cat([fake, REAL], 1).permute(0, 2, 3, 1)[..., 3:], "slice"),
        (lambda fake: torch.stack([fake, REAL], 1).flatten(0, 1), "view"),
        (lambda fake: torch.cat([REAL[:1], fake, REAL, REAL[:1]]), "cat"),
        (lambda fake: fake.clamp(-1, 1)[-1:], "clamp"),
        (lambda fake: fake[:, :2].transpose(0, 1).clamp(-1, 1), "clamp"),
    ],
)
def test_rows_that_nothing_tells_exactly_are_nobodys_and_what_lost_them_is_named(
    derive: Callable[[Tensor], Tensor], operation: str, fake: Tensor
) -> None:
    judged = derive(fake)
    assert rows_of(judged) == [] and obstacle(judged) == operation


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize(
    "derive",
    [
        lambda images: torch.cat([images, images])[:2],
        lambda images: images.clone(),
        lambda images: 0.5 * images + 0.5 * images,
    ],
)
def test_a_walk_is_bounded_however_wide_or_deep_a_graph_is(
    derive: Callable[[Tensor], Tensor], affine: bool, fake: Tensor
) -> None:
    near = far = fake
    for step in range(5000):
        far = derive(far)
        near = far if step < 40 else near
    known = affine or derive(fake).grad_fn.name() != "AddBackward0"  # type: ignore[union-attr]
    assert rows_of(near, affine) == (["0", "1"] if known else []) and rows_of(far, affine) == []


def test_images_that_are_mixed_are_nobodys(fake: Tensor) -> None:
    assert (
        rows_of(torch.cat([fake, fake.flip(0)], 1)) == rows_of(torch.lerp(fake, fake.flip(0), 0.5), affine=True) == []
    )
    assert rows_of(torch.lerp(fake, fake.flip(3), 0.5), affine=True) == ["0", "1"]


def test_what_is_passed_on_the_way_is_not_named_as_what_stands_in_it(fake: Tensor) -> None:
    judged = torch.nn.functional.conv2d(fake, torch.rand(3, 3, 1, 1)) + 0.1
    assert obstacle(judged) == "add" and obstacle(judged, upon=AFFINE) == "convolution"


def test_of_fakes_of_two_visits_each_is_found() -> None:
    visits = [SourceBinding().bind(name, REAL, ["a", "b"]) for name in "AB"]
    fakes = [torch.tanh(torch.rand(2, 3, 8, 8, requires_grad=True) * 2) for _ in visits]
    for visit, made in zip(visits, fakes, strict=True):
        mark(made, Made(visit.rows, "", (1, ()), visit=visit))
    for visit in visits:
        found = fresh_fake(torch.cat(fakes), visit=visit)
        assert found is not None and found.visit is visit and found.rows == visits[0].rows + visits[1].rows


def test_nodes_of_hooks_on_the_generator_are_passed(visit: Visit) -> None:
    class Generator(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            made = torch.tanh(images * torch.ones(1, requires_grad=True))
            mark(made, Made(visit.rows, "", (1, ())))
            return made

    generator = Generator()
    generator.register_full_backward_hook(lambda *_: None)
    generator.register_full_backward_pre_hook(lambda *_: None)
    assert rows_of(generator(REAL)) == ["0", "1"]


def test_the_outputs_of_one_operation_are_told_apart(visit: Visit) -> None:
    first, second = torch.tanh(torch.rand(2, 6, 8, 8, requires_grad=True)).chunk(2, 1)
    mark(second, Made(visit.rows, "[1]", (1, ())))
    assert rows_of(first) == [] and rows_of(second) == ["0", "1"]


@pytest.mark.parametrize(
    "derive",
    [
        lambda fake: fake.detach(),
        lambda fake: fake.data.clone(),
        lambda fake: REAL,
        lambda fake: torch.cat([REAL, fake.detach()], 1),
        lambda fake: (0.3 * REAL + 0.7 * fake.detach()).requires_grad_(),
        lambda fake: 0.3 * REAL + 0.7 * fake,
        lambda fake: torch.nn.functional.conv2d(fake, torch.rand(3, 3, 1, 1)),
        lambda fake: torch.cat([REAL.clone().requires_grad_(), REAL], 1),
    ],
)
def test_everything_else_is_not(derive: Callable[[Tensor], Tensor], fake: Tensor) -> None:
    assert fresh_fake(derive(fake)) is None


def test_another_fake_is_nobodys(fake: Tensor) -> None:
    assert fresh_fake(torch.rand(2, 3, 8, 8, requires_grad=True) * 1) is None


def test_a_fake_nobody_holds_any_more_is_recognised(visit: Visit) -> None:
    def make() -> Tensor:
        made = torch.tanh(torch.rand(2, 3, 8, 8, requires_grad=True) * 2)
        mark(made, Made(visit.rows, "", (1, ())))
        return torch.cat([REAL, made], 1)

    assert rows_of(make()) == ["0", "1"]


def test_a_fake_made_without_gradient_has_no_origin(visit: Visit) -> None:
    mark(REAL, Made(visit.rows, "", (1, ())))
    assert fresh_fake(REAL) is None
