"""What stands for the map at test time: ones bit for bit as before, the memory's mean, or a predicted map."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import ConfigError, GuideConfig, StoreError, View, attach
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.mean_map import mean_map
from guidegan_plugin.guidance.test_time.given_map import MeanMap, PredictedMap
from guidegan_plugin.guidance.test_time.map_predictor import MapPredictor
from guidegan_plugin.guidance.test_time.predictor_file import Prediction, predictor_path, save_predictors

IMAGES = torch.rand(2, 3, 32, 40) * 2 - 1
WAYS = [("rhp", "bilinear"), ("rhp", "conv"), ("alpha", "bilinear"), ("alpha", "conv")]


def networks() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)]
    return nn.Sequential(*layers), nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(), nn.Conv2d(8, 1, 4))


def guided(test_map: str, concat: str = "rhp", transfer: str = "bilinear") -> tuple[Any, Guide]:
    """A generator that was trained for a step, and its guide."""
    generator, discriminator = networks()
    optimizer = torch.optim.SGD(generator.parameters(), 0.1)
    config = GuideConfig(layer=1, concat=concat, transfer=transfer, test_map=test_map)
    guide = attach(generator, discriminator, config, optimizers=[optimizer])
    train(generator, discriminator, guide)
    with torch.no_grad():
        generator[0].weight.add_(0.1)  # a channel of alpha starts at zero
    return generator.eval(), guide


def train(generator: nn.Module, discriminator: nn.Module, guide: Guide, keys: tuple[str, str] = ("a", "b")) -> None:
    """One visit of two images, seen under a flip and a crop."""
    source = IMAGES.clone()
    guide.bind(source, keys, View.stack([View.crop((0, 0), (4, 4), (4, 4), True), View.crop((0, 1), (3, 3), (4, 4))]))
    discriminator(generator(source)).mean().backward()
    guide.bind(IMAGES, keys)


def predictor_beside(store: Path, guide: Guide, cells: tuple[int, int] = (8, 10)) -> MapPredictor:
    torch.manual_seed(1)
    network = MapPredictor(3, cells, (32, 40))
    nn.init.normal_(network.head.weight)
    known = Prediction(3, cells, (32, 40), guide.digest(), 2, 1, 0.5, 0.1)
    save_predictors(predictor_path(store), {"A": (network, known)})
    return network


def with_predictor(guide: Guide, folder: Path) -> MapPredictor:
    store = folder / "latest_guide.safetensors"
    guide.save(store)
    network = predictor_beside(store, guide)
    state = torch.get_rng_state()
    guide.load(store)
    assert torch.equal(torch.get_rng_state(), state), "a random number of the host's was drawn"
    return network


def blended(guide: Guide, generator: Any, maps: Tensor) -> Tensor:
    """The generator's own layers on images with maps blended in by hand."""
    bare: Tensor = maps.expand(2, -1, -1, -1)
    x: Tensor = guide.concatenation.blend(IMAGES, guide.transfer(bare, (32, 40)))
    for layer in generator:
        x = layer(x)
    return x


@pytest.mark.parametrize(("concat", "transfer"), WAYS)
def test_ones_are_what_test_time_gave_before_bit_for_bit(concat: str, transfer: str) -> None:
    generator, guide = guided("ones", concat, transfer)
    assert guide.given is None
    assert torch.equal(generator(IMAGES.clone()), blended(guide, generator, torch.ones(1, 1, 1, 1)))


@pytest.mark.parametrize(("concat", "transfer"), WAYS)
def test_mean_gives_the_memorys_mean_to_sources_strangers_and_copies(concat: str, transfer: str) -> None:
    generator, guide = guided("mean", concat, transfer)
    mean = mean_map(guide.store.state())
    assert mean is not None and mean.std() > 0.01
    wanted = blended(guide, generator, mean[None])
    guide.bind(IMAGES, ["x", "y"])
    assert torch.allclose(generator(IMAGES), wanted, atol=1e-6), "a source"
    assert torch.allclose(generator(IMAGES.clone() + 0), wanted, atol=1e-6), "a stranger"
    assert torch.allclose(copy.deepcopy(generator)(IMAGES), wanted, atol=1e-6), "a copy"
    assert torch.allclose(pickle.loads(pickle.dumps(generator))(IMAGES), wanted, atol=1e-6), "a pickle"


def test_what_is_taken_along_of_a_generator_has_the_mean_of_the_memory_as_it_is_then() -> None:
    generator, guide = guided("mean")
    known = copy.deepcopy(generator)  # of which a copy has no memory to ask
    taken = [pickle.loads(pickle.dumps(generator)), copy.deepcopy(known)]
    wanted = generator(IMAGES)
    guide.store.write(["c"], torch.rand(1, 1, 4, 5))
    assert all(torch.equal(network(IMAGES), wanted) for network in taken)


def test_a_mean_that_is_asked_for_on_two_devices_is_kept_on_both() -> None:
    _, guide = guided("mean")
    mean = guide.test_maps(IMAGES)
    assert guide.test_maps(IMAGES.to("meta")).device.type == "meta"
    assert torch.equal(guide.test_maps(IMAGES), mean)


@pytest.mark.parametrize(("concat", "transfer"), WAYS)
def test_predict_gives_each_image_its_own_map_also_in_copies(concat: str, transfer: str, tmp_path: Path) -> None:
    generator, guide = guided("predict", concat, transfer)
    network = with_predictor(guide, tmp_path)
    maps = network(IMAGES)
    assert maps.shape == (2, 1, 8, 10) and not torch.allclose(maps[0], maps[1])
    wanted = blended(guide, generator, maps)
    assert torch.allclose(generator(IMAGES.clone()), wanted, atol=1e-6)
    assert torch.allclose(copy.deepcopy(generator)(IMAGES), wanted, atol=1e-6)
    assert torch.allclose(pickle.loads(pickle.dumps(generator))(IMAGES), wanted, atol=1e-6)
    assert torch.equal(guide.test_maps(IMAGES), maps)


@pytest.mark.parametrize("test_map", ["mean", "predict"])
def test_a_script_that_loads_and_translates_without_gradient_is_given_them_in_training_mode_too(
    test_map: str, tmp_path: Path
) -> None:
    generator, discriminator = networks()
    with attach(generator, discriminator, GuideConfig(layer=1, test_map=test_map)) as guide:
        train(generator, discriminator, guide)
        with_predictor(guide, tmp_path)
        wanted = generator.eval()(IMAGES)
    generator.train()
    with attach(generator, discriminator, GuideConfig(layer=1, test_map=test_map)) as again:
        again.load(tmp_path / "latest_guide.safetensors")
        with torch.no_grad():
            assert torch.equal(generator(IMAGES), wanted)
        assert torch.equal(generator(IMAGES), blended(again, generator, torch.ones(1, 1, 1, 1))), (
            "a training's own call"
        )


def test_a_mean_map_that_a_checkpoint_lacks_is_refused_when_it_is_needed(tmp_path: Path) -> None:
    generator, discriminator = networks()
    with attach(generator.eval(), discriminator, GuideConfig(layer=1, test_map="mean")) as guide:
        guide.take_test_map({}, {}, tmp_path / "G_guide.safetensors")
        with pytest.raises(StoreError, match=r"test_map=mean: there is no store .*G_guide.*--guide_test_map ones"):
            generator(IMAGES)
        train(generator.train(), discriminator, guide)
        assert torch.isfinite(generator.eval()(IMAGES)).all(), "a training that began without it remembers by now"


@pytest.mark.parametrize("test_map", ["mean", "predict"])
def test_what_was_loaded_stays_when_its_files_are_written_over(test_map: str, tmp_path: Path) -> None:
    _, guide = guided(test_map)
    with_predictor(guide, tmp_path)
    before = guide.test_maps(IMAGES).clone()
    for path in tmp_path.iterdir():
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(bytes(size))
    assert torch.equal(guide.test_maps(IMAGES), before)


@pytest.mark.parametrize("test_map", ["mean", "predict"])
def test_a_step_of_training_is_bit_equal_whatever_test_time_gives(test_map: str) -> None:
    weights = []
    for kind in ("ones", test_map):
        generator, discriminator = networks()
        guide = attach(generator, discriminator, GuideConfig(layer=1, test_map=kind))
        optimizer = torch.optim.Adam([*generator.parameters(), *discriminator.parameters()])
        for _ in range(3):
            optimizer.zero_grad()
            source = IMAGES.clone()
            guide.bind(source, ["a", "b"])
            fake = generator(source)
            (discriminator(fake).mean() + generator(fake).mean()).backward()
            optimizer.step()
        weights.append([value.clone() for value in generator.state_dict().values()])
    assert all(map(torch.equal, *weights))


def test_the_mean_follows_a_memory_that_goes_on_and_ones_stand_for_an_empty_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    generator, discriminator = networks()
    guide = attach(generator, discriminator, GuideConfig(layer=1, test_map="mean"))
    assert torch.equal(guide.test_maps(IMAGES), torch.ones(2, 1, 1, 1))
    guide.test_maps(IMAGES)
    assert caplog.text.count("ones stand for the mean map") == 1
    train(generator, discriminator, guide)
    first = guide.test_maps(IMAGES)
    train(generator, discriminator, guide, ("c", "d"))
    with torch.no_grad():
        discriminator[0].weight.mul_(-1.5).add_(0.2)
    train(generator, discriminator, guide, ("e", "f"))
    mean = mean_map(guide.store.state())
    assert mean is not None and torch.equal(guide.test_maps(IMAGES)[0], mean)
    assert not torch.allclose(first, guide.test_maps(IMAGES))


def test_the_mean_is_moved_to_where_a_bound_image_shows_it() -> None:
    _, guide = guided("mean")
    whole = guide.test_maps(IMAGES)
    mirrored = guide.test_maps(IMAGES, View.stack([View.crop((0, 0), (4, 4), (4, 4), True)] * 2))
    assert torch.allclose(mirrored, whole.flip(-1), atol=1e-6)


def test_loading_a_memory_brings_what_stands_beside_it(tmp_path: Path) -> None:
    _, guide = guided("mean")
    guide.save(tmp_path / "latest_guide.safetensors")
    before = guide.test_maps(IMAGES)
    guide.detach()
    other, again = guided("mean")
    again.load(tmp_path / "latest_guide.safetensors")
    assert torch.equal(again.test_maps(IMAGES), before)
    states: dict[str, dict[str, Tensor]] = {"B": {}}
    assert again.given is not None
    again.given.take(states, {}, tmp_path / "latest_guide.safetensors")
    with pytest.raises(StoreError, match=r"test_map=mean: no map of pair A is in .*--guide_test_map ones"):
        again.given.require()
    del other


def test_a_missing_a_foreign_and_a_torn_predictor_are_refused_with_the_command_that_makes_one(tmp_path: Path) -> None:
    generator, guide = guided("predict")
    store = tmp_path / "latest_guide.safetensors"
    command = rf"guidegan predict-maps {store}$"
    with pytest.raises(StoreError, match=r"pair A has no predictor; load the checkpoint.*guidegan predict-maps"):
        generator(IMAGES)
    guide.save(store)
    guide.load(store)
    with pytest.raises(StoreError, match=rf"there is no predictor .*latest_guide_predictor.safetensors; .*{command}"):
        generator(IMAGES)
    predictor_beside(store, guide)
    content = predictor_path(store).read_bytes()
    predictor_path(store).write_bytes(content[:-9])
    guide.load(store)
    with pytest.raises(StoreError, match=rf"is torn or no file of predictors .*{command}"):
        generator(IMAGES)
    predictor_path(store).write_bytes(content.replace(b'"sha256":"', b'"sha256":"0', 1)[:-1])
    guide.load(store)
    with pytest.raises(StoreError, match=command):
        generator(IMAGES)
    with torch.no_grad():
        generator[0].weight.add_(0.1)
    guide.save(store)
    predictor_path(store).write_bytes(content)
    guide.load(store)
    with pytest.raises(StoreError, match=rf"was made for other weights than .*{command}"):
        generator(IMAGES)


def test_what_cannot_work_is_refused_with_both_options() -> None:
    with pytest.raises(ConfigError, match=r"attention=none makes none; change test_map \(--guide_test_map\)"):
        GuideConfig(attention="none", test_map="mean")
    with pytest.raises(ConfigError, match=r"test_map: expected one of ones, mean, predict, found 'median'"):
        GuideConfig(test_map="median")
    with pytest.raises(ConfigError, match=r"concat=gradient leaves the generator's input alone.*--guide_test_map ones"):
        attach(*networks(), GuideConfig(layer=1, concat="gradient", test_map="predict"))
    with pytest.raises(ConfigError, match=r"memory='batch' remembers none; change test_map"):
        attach(*networks(), GuideConfig(layer=1, test_map="mean"), memory="batch")


def test_an_image_of_another_size_has_cells_of_as_many_pixels_and_its_range_does_not_matter() -> None:
    network = MapPredictor(3, (31, 31), (256, 256))
    assert network.pixels == 4 and MapPredictor(3, (7, 7)).pixels == 8 and MapPredictor(3, (63, 20)).pixels == 2
    assert network.cells_of(512, 128) == (62, 16) and network.cells_of(3, 3) == (1, 1)
    assert MapPredictor(3, (7, 9)).cells_of(500, 20) == (7, 9)
    images = torch.rand(2, 3, 40, 24)
    assert network(images).shape == (2, 1, 5, 3)
    assert torch.allclose(network(images), network(images * 2 - 1), atol=1e-4)
    assert torch.allclose(network(images[:1]), network(images)[:1], atol=1e-5)
    gray = network(images[:, :1])
    assert gray.shape == (2, 1, 5, 3)
    with pytest.raises(ConfigError, match="made for images of 3 channels, found 4"):
        network(torch.rand(1, 4, 32, 32))


def test_joined_labels_are_not_looked_at() -> None:
    given = PredictedMap("A", MapPredictor(3, (4, 4)))
    generator, guide = guided("predict")
    guide._blend.given = given
    guide._blend.joined = {5: (1, 4)}
    images = torch.rand(1, 5, 16, 16)
    found = guide._blend.at_test(images)
    assert found is not None and torch.equal(found, given.predictor(images[:, 1:4]))  # type: ignore[misc]
    del generator


def test_what_is_pickled_has_no_memory() -> None:
    _, guide = guided("mean")
    guide.test_maps(IMAGES)
    alone: Callable[[Tensor], Tensor] = pickle.loads(pickle.dumps(guide.given))
    assert isinstance(alone, MeanMap) and alone._store is None and torch.equal(alone(IMAGES), guide.test_maps(IMAGES))
