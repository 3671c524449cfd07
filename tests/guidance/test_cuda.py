"""On a GPU: no waiting, maps and weights as on the CPU, and the ways people train there."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.test_time.map_predictor import MapPredictor
from guidegan_plugin.guidance.test_time.predictor_file import Prediction, predictor_path, save_predictors
from guidegan_plugin.prediction.examples import Group
from guidegan_plugin.prediction.learning import Learning

Make = Callable[..., nn.Module]
Networks = tuple[nn.Module, nn.Module]

pytestmark = pytest.mark.cuda

MECHANISMS: dict[str, dict[str, Any]] = {
    "rhp": {},
    "alpha": {"concat": "alpha"},
    "conv transfer": {"transfer": "conv"},
    "gradient": {"signal": "gradient"},
    "gradcam": {"signal": "gradcam", "tap": "activation"},
    "tam": {"attention": "tam"},
    "dropout": {"dropout": 0.5},
    "random": {"init": "random"},
    "store on the CPU": {"store_device": "cpu"},
    "float16 store": {"store_dtype": "float16"},
    "gradient concatenation": {"concat": "gradient", "strength": 0.3},
}


@pytest.fixture
def pair(make_generator: Make, make_discriminator: Make) -> Networks:
    return make_generator().cuda(), make_discriminator().cuda()


@pytest.fixture
def exact() -> Iterator[None]:
    """Convolutions in full float32, and the same algorithm at every call."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = False, True
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = before


@contextmanager
def no_synchronisation() -> Iterator[None]:
    """Whatever waits for the device raises."""
    torch.cuda.synchronize()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mode says of itself that it is a prototype
        try:
            torch.cuda.set_sync_debug_mode("error")
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")


def images(count: int = 2, size: int = 64) -> Tensor:
    """The same ``(count, 3, size, size)`` images whatever the device."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1


def train(networks: Networks, toy_training: Any, guide: Guide | None, steps: int = 3, device: str = "cuda") -> Any:
    """Steps on the same two images."""
    training = toy_training(*networks)
    for _ in range(steps):
        source = images().to(device)
        if guide is not None:
            guide.bind(source, ["a", "b"])
        training.step(source, images().flip(0).to(device))
    return training


def stored(guide: Guide) -> Tensor:
    """The maps of both images, checked to be maps."""
    maps, visited = guide.maps(["a", "b"])
    assert visited.all() and maps.isfinite().all() and maps.min() >= 0 and maps.max() <= 1
    assert maps.std() > 0
    return maps


@pytest.mark.parametrize("options", MECHANISMS.values(), ids=MECHANISMS.keys())
def test_a_step_waits_for_the_device_nowhere(pair: Networks, toy_training: Any, options: dict[str, Any]) -> None:
    source, target = images().cuda(), images().flip(0).cuda()
    training = toy_training(*pair)
    guide = attach(*pair, GuideConfig(**options), optimizers=[training.g_optimizer, training.d_optimizer])
    for step in range(4):
        batch = source.clone()
        if step < 2:  # the first steps allocate, tune and record what they need
            guide.bind(batch, ["a", "b"])
            training.step(batch, target)
            continue
        with no_synchronisation():
            guide.bind(batch, ["a", "b"])
            training.step(batch, target)
    stored(guide)


@pytest.mark.parametrize("options", [MECHANISMS[name] for name in ("rhp", "alpha", "gradcam", "tam")], ids=str)
@pytest.mark.usefixtures("exact")
def test_maps_are_those_of_the_cpu(
    make_generator: Make, make_discriminator: Make, toy_training: Any, options: dict[str, Any]
) -> None:
    networks, maps = (make_generator(), make_discriminator()), {}
    for device in ("cpu", "cuda"):
        pair = tuple(copy.deepcopy(network).to(device) for network in networks)
        torch.manual_seed(1)  # what the mechanism draws for its own networks
        guide = attach(*pair, GuideConfig(store_dtype="float32", **options))
        guide.networks()
        guide.bind(source := images().to(device), ["a", "b"])
        (pair[1](pair[0](source)) - 1).pow(2).mean().backward()
        maps[device] = stored(guide).cpu()
    assert torch.allclose(maps["cpu"], maps["cuda"], atol=2e-3)


@pytest.mark.usefixtures("exact")
def test_a_weighed_gradient_is_that_of_the_cpu(make_generator: Make, make_discriminator: Make) -> None:
    networks, gradients = (make_generator(), make_discriminator()), []
    for device in ("cpu", "cuda"):
        generator, discriminator = (copy.deepcopy(network).to(device) for network in networks)
        guide = attach(generator, discriminator, GuideConfig(concat="gradient"))
        guide.bind(source := images().to(device), ["a", "b"])
        (discriminator(generator(source)) - 1).pow(2).mean().backward()
        gradients.append(torch.cat([weight.grad.flatten().cpu() for weight in generator.parameters()]))  # type: ignore[union-attr]
    assert torch.allclose(*gradients, atol=1e-3 * float(gradients[0].abs().max()))


@pytest.mark.parametrize("test_map", ["ones", "mean", "predict"])
@pytest.mark.usefixtures("exact")
def test_what_stands_for_the_map_at_test_time_is_that_of_the_cpu(
    make_generator: Make, make_discriminator: Make, toy_training: Any, tmp_path: Any, test_map: str
) -> None:
    trained = make_generator(), make_discriminator()
    guide = attach(*trained)
    train(trained, toy_training, guide, device="cpu")
    guide.save(store := tmp_path / "latest_guide.safetensors")
    predictor = MapPredictor(3, (7, 7), (64, 64))
    nn.init.normal_(predictor.head.weight)
    known = Prediction(3, (7, 7), (64, 64), guide.digest(), 2, 1, 0.5, 0.1)
    save_predictors(predictor_path(store), {"A": (predictor, known)})
    guide.detach()
    fakes = []
    for device in ("cpu", "cuda"):
        pair = tuple(copy.deepcopy(network).to(device).eval() for network in trained)
        attach(*pair, GuideConfig(test_map=test_map)).load(store)
        with torch.no_grad():
            fakes.append(pair[0](images().to(device)).cpu())
    assert torch.allclose(*fakes, atol=1e-3)


def test_a_predictor_learns_on_the_device_and_predicts_from_the_cpu() -> None:
    network = MapPredictor(3, (5, 5)).cuda()
    group = Group(torch.randint(0, 256, (8, 3, 40, 40), dtype=torch.uint8), torch.rand(8, 1, 5, 5))
    learning = Learning(network, 2, mirrored=True)
    before = learning.predict(group)
    learning.one_pass([group])
    after = learning.predict(group)
    assert after.device.type == "cpu" and after.isfinite().all() and not torch.equal(before, after)


@pytest.mark.usefixtures("exact")
def test_alpha_equals_the_bare_generator_at_step_0(pair: Networks) -> None:
    source = images().cuda()
    before = pair[0](source)
    guide = attach(*pair, GuideConfig(concat="alpha"))
    guide.bind(source, ["a", "b"])
    assert torch.allclose(pair[0](source), before, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("exact")
def test_without_attention_and_detached_the_weights_are_the_bare_ones(
    pair: Networks, toy_training: Any, same_state: Callable[[nn.Module, nn.Module], bool]
) -> None:
    bare, none, detached = (copy.deepcopy(pair) for _ in range(3))
    train(bare, toy_training, None)
    train(none, toy_training, attach(*none, GuideConfig(attention="none")))
    attach(*detached).detach()
    train(detached, toy_training, None)
    for networks in (none, detached):
        assert all(same_state(one, other) for one, other in zip(bare, networks, strict=True))


@pytest.mark.usefixtures("exact")
def test_a_store_in_pinned_memory_remembers_what_one_on_the_device_does(
    make_generator: Make, make_discriminator: Make, toy_training: Any
) -> None:
    networks, results = (make_generator().cuda(), make_discriminator().cuda()), []
    for device in ("auto", "cpu"):
        pair = copy.deepcopy(networks)
        guide = attach(*pair, GuideConfig(store_device=device))
        train(pair, toy_training, guide, steps=40)
        torch.cuda.synchronize()
        results.append((stored(guide).cpu(), guide.store.state()["maps.7x7"].cpu(), pair[0]))
    assert torch.equal(results[0][1], results[1][1])
    assert torch.allclose(results[0][0], results[1][0], atol=1e-6), "a GPU divides by 255 in another way"
    assert all(torch.equal(*both) for both in zip(*(result[2].parameters() for result in results), strict=True))


def test_a_growing_store_in_pinned_memory_loses_no_map(make_discriminator: Make) -> None:
    from guidegan_plugin.guidance.memory.store import AttentionStore

    store, maps = AttentionStore("cpu", "float32"), torch.rand(300, 1, 6, 6, device="cuda")
    for first in range(0, 300, 10):
        store.write([str(key) for key in range(first, first + 10)], maps[first : first + 10])
    found = store.recall([str(key) for key in range(300)], torch.device("cuda")).maps
    assert torch.equal(found, maps)


def test_another_stream_sees_the_right_maps(pair: Networks, toy_training: Any) -> None:
    plain = copy.deepcopy(pair)
    guides = []
    for networks, stream in ((plain, torch.cuda.default_stream()), (pair, torch.cuda.Stream())):
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            guides.append(attach(*networks))
            train(networks, toy_training, guides[-1], steps=5)
        torch.cuda.synchronize()
    assert torch.allclose(stored(guides[0]), stored(guides[1]), atol=3 / 255)


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
@pytest.mark.parametrize("signal", ["activation", "gradcam"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_mixed_precision_with_a_gradient_scaler(pair: Networks, dtype: torch.dtype, signal: str, concat: str) -> None:
    generator, discriminator = pair
    optimizer, scaler = torch.optim.Adam(generator.parameters()), torch.amp.GradScaler("cuda")
    config = GuideConfig(concat=concat, signal=signal, tap="activation")
    guide = attach(generator, discriminator, config, optimizers=[optimizer])
    before = [parameter.detach().clone() for parameter in generator.parameters()]
    for _ in range(8):  # the scaler leaves out steps until its factor fits
        guide.bind(source := images().cuda(), ["a", "b"])
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype):
            loss = (discriminator(generator(source)).float() - 1).pow(2).mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    assert stored(guide).dtype is torch.float32 and loss.isfinite()
    assert any(not torch.equal(*both) for both in zip(before, generator.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "precision"),
    [("rhp", "float32"), ("alpha", "float32"), ("conv transfer", "float32"), ("tam", "float32"), ("rhp", "bfloat16")],
)
@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])  # the latter with tam failed inside of torch 2.11
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")  # inductor's
def test_compiled_networks_are_guided_with_the_same_maps(
    make_generator: Make,
    make_discriminator: Make,
    mode: str,
    name: str,
    precision: str,
) -> None:
    networks = make_generator().cuda(), make_discriminator().cuda()
    maps: dict[str, Tensor] = {}
    for way in ("eager", "compiled"):
        torch._dynamo.reset()
        generator, discriminator = copy.deepcopy(networks)
        torch.manual_seed(1)
        guide = attach(generator, discriminator, GuideConfig(**MECHANISMS[name]))
        if way == "compiled":
            for network in (generator, discriminator):
                network.compile(mode=mode)
        for _ in range(4):
            torch.compiler.cudagraph_mark_step_begin()
            guide.bind(source := images().cuda(), ["a", "b"])
            discriminator.requires_grad_(False)
            with torch.autocast("cuda", torch.bfloat16, enabled=precision == "bfloat16"):
                fake = generator(source)
                discriminator(fake).float().mean().backward()
                discriminator.requires_grad_(True)
                discriminator(fake.detach().clone())
        assert guide.statistics()["visits"] == 8
        maps[way] = stored(guide).cpu()
        guide.detach()
    assert (maps["eager"] - maps["compiled"]).abs().mean() < (0.02 if precision == "float32" else 0.1)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("attached", ["before", "after"])
def test_networks_replayed_from_a_captured_graph_are_guided_or_the_user_is_told(
    pair: Networks, caplog: pytest.LogCaptureFixture, attached: str
) -> None:
    generator, discriminator = pair
    discriminator.requires_grad_(False)
    guide = attach(generator, discriminator) if attached == "before" else None
    sample = images().cuda()
    generator, discriminator = torch.cuda.make_graphed_callables(
        (generator, discriminator), ((sample,), (sample.clone().requires_grad_(),))
    )
    guide = guide or attach(generator, discriminator)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            guide.bind(source := images().cuda(), ["a", "b"])
            discriminator(generator(source)).mean().backward()
        guide.bind(images().cuda(), ["a", "b"])
    if guide.statistics()["judged"] >= 4:
        stored(guide)
    else:
        assert "pair A" in caplog.text


@pytest.mark.filterwarnings("ignore::UserWarning")  # DataParallel's own
@pytest.mark.parametrize("options", [MECHANISMS[name] for name in ("rhp", "alpha", "gradcam", "tam")], ids=str)
def test_data_parallel_on_one_device_is_guided(pair: Networks, toy_training: Any, options: dict[str, Any]) -> None:
    wrapped = tuple(nn.DataParallel(network, device_ids=[0]) for network in pair)
    guide = attach(*wrapped, GuideConfig(**options))
    train(wrapped, toy_training, guide)
    assert guide.statistics()["visits"] == 6
    stored(guide)


@pytest.mark.usefixtures("exact")
def test_a_saved_memory_is_read_back_on_the_device(pair: Networks, toy_training: Any, tmp_path: Any) -> None:
    guide = attach(*pair, GuideConfig(store_device="cpu"))
    train(pair, toy_training, guide)
    guide.save(tmp_path / "guide.safetensors")
    before = stored(guide).cpu()
    guide.detach()
    again = attach(*pair)
    again.load(tmp_path / "guide.safetensors")
    assert again.maps(["a", "b"])[0].is_cuda and torch.allclose(stored(again).cpu(), before, atol=1e-6)


@pytest.mark.parametrize("signal", ["activation", "gradient", "gradcam"])
def test_a_step_keeps_no_memory(pair: Networks, toy_training: Any, signal: str) -> None:
    guide = attach(*pair, GuideConfig(signal=signal))
    training, used = toy_training(*pair), []
    for _ in range(160):
        guide.bind(source := images().cuda(), ["a", "b"])
        training.step(source, images().flip(0).cuda())
        used.append(torch.cuda.memory_allocated())
    # Maps of some steps wait for being stored or counted; a map kept in every step would take 25 KiB more.
    assert max(used[110:160]) <= max(used[60:110]) + 8 * 1024


def test_moved_to_the_device_after_it_was_attached(
    make_generator: Make, make_discriminator: Make, toy_training: Any
) -> None:
    pair = make_generator(), make_discriminator()
    guide = attach(*pair, GuideConfig(attention="tam", transfer="conv"))
    for network in (*pair, *guide.networks().values()):
        network.cuda()
    train(pair, toy_training, guide)
    stored(guide)


def test_a_source_bound_on_the_cpu_and_copied_is_recognised(pair: Networks) -> None:
    guide = attach(*pair)
    for _ in range(2):
        guide.bind(source := images(), ["a", "b"])
        pair[1](pair[0](source.cuda(non_blocking=True))).mean().backward()
    guide.bind(images(), ["a", "b"])
    assert {name: guide.statistics()[name] for name in ("bound", "read", "judged")} == dict.fromkeys(
        ("bound", "read", "judged"), 2
    )


def test_warnings_of_a_guided_step_are_none(pair: Networks, toy_training: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(pair, toy_training, attach(*pair))
