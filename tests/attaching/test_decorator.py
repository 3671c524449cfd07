"""Guidance on a class of one's own: found, attached and bound by itself; copies are harmless."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, Pair, View, guided, hookimpl
from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.fast.speedups import Speedups
from guidegan_plugin.guidance.calls.row_maps import maps_behind
from guidegan_plugin.guidance.concatenation.transfer import BilinearTransfer, Transfer
from guidegan_plugin.guidance.guide import Guide

PAIR = Pair(generator="netG", discriminator="netD", source="real_A", keys="paths")
Make = Callable[..., nn.Module]


class Plain:
    """A class that knows nothing of guidance: takes a batch, then trains on it."""

    def __init__(self, networks: tuple[nn.Module, nn.Module]) -> None:
        self.netG, self.netD = networks
        self.optimizers = [torch.optim.Adam(network.parameters(), 2e-4) for network in networks]

    def set_input(self, batch: dict[str, Any]) -> None:
        self.real_A, self.real_B = batch["A"], batch["B"]

    def optimize(self) -> None:
        for network in (self.netG, self.netD):
            network.zero_grad()
        fake = self.netG(self.real_A)
        (self.netD(fake) - 1).pow(2).mean().backward()
        for optimizer in self.optimizers:
            optimizer.step()


class Scaled(Transfer):
    """A transfer block with one parameter."""

    name = "scaled"

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        return BilinearTransfer()(maps, size) * self.scale.clamp(0, 1)


class ScaledPlugin:
    @hookimpl
    def guidegan_register_transfer(self) -> list[type[Transfer]]:
        return [Scaled]


@guided(PAIR)
class Picklable(Plain):
    """Guided, and found again by its name."""


@pytest.fixture
def networks(make_generator: Make, make_discriminator: Make) -> tuple[nn.Module, nn.Module]:
    return make_generator(), make_discriminator()


@pytest.fixture
def batches() -> Iterator[dict[str, Any]]:
    """Always the same two images, in new tensors."""
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    return iter([{"A": images.clone(), "B": images.clone(), "paths": ["a", "b"]} for _ in range(6)])


def train(translator: Any, batches: Iterator[dict[str, Any]], steps: int = 2) -> None:
    for _ in range(steps):
        translator.set_input(next(batches))
        translator.optimize()


def visits(translator: Any, name: str = "A") -> float:
    return translator.guides[name].statistics()["visits"]


def input_of(generator: nn.Module) -> list[Tensor]:
    seen: list[Tensor] = []
    generator[0].register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    return seen


def test_a_plain_class_is_guided_without_a_change(networks: Any, batches: Any) -> None:
    translator, seen = guided(PAIR, config=GuideConfig(store_dtype="float32"))(type("Mine", (Plain,), {}))(networks), []
    assert not networks[0]._forward_pre_hooks, "nothing before the first need"
    train(translator, batches, 1)
    maps = translator.guides["A"].maps(["a", "b"])[0]
    seen = input_of(translator.netG)
    train(translator, batches, 1)
    full = nn.functional.interpolate(maps, (64, 64), mode="bilinear", align_corners=False)
    assert torch.allclose(seen[0], (1 + full) * translator.real_A, atol=1e-6) and visits(translator) == 4


def test_a_method_that_takes_the_batch_and_trains_is_guided_too(networks: Any, batches: Any) -> None:
    @guided(PAIR)
    class AllInOne(Plain):
        def training_step(self, batch: dict[str, Any], number: int) -> None:
            Plain.set_input(self, batch)
            self.optimize()

        set_input = None  # type: ignore[assignment]  # so that it is not what takes the batch

    translator = AllInOne(networks)
    for number in range(2):
        translator.training_step(next(batches), number)
    assert visits(translator) == 4


def test_maps_fade_over_the_steps_that_were_announced(networks: Any, batches: Any) -> None:
    config = GuideConfig(anneal="0:1")
    translator = guided(PAIR, config=config, total_steps=3)(type("Mine", (Plain,), {}))(networks)
    translator.guides["A"]
    seen = input_of(translator.netG)
    train(translator, batches, 3)
    ones = 2 * translator.real_A
    assert [torch.equal(given, ones) for given in seen] == [True, False, True]
    with pytest.raises(ConfigError, match="total_steps="):
        train(guided(PAIR, config=config)(type("Unknown", (Plain,), {}))(networks), batches, 1)


def test_sources_and_keys_may_lie_in_the_batch_alone(networks: Any) -> None:
    @guided(Pair("netG", "netD", source="[0]", keys="[1]", name="x"), bind_in="fit")
    class Local(Plain):
        def fit(self, batch: tuple[Tensor, Tensor]) -> None:
            self.netD(self.netG(batch[0]))

    translator = Local(networks)
    translator.fit((torch.rand(2, 3, 64, 64), torch.tensor([3, 7])))
    assert translator.guides["x"].maps(["3", "7"])[1].all()


def test_networks_may_lie_in_dictionaries_and_lists_or_be_returned_by_functions(
    make_generator: Make, make_discriminator: Make
) -> None:
    pairs = (
        Pair("nets.G", "nets['D']", "data.A", "data.paths", name="path"),
        Pair(
            lambda self: self.more[0], lambda self: self.more[1], lambda self: self.data["B"], "paths", name="function"
        ),
    )

    @guided(*pairs)
    class Scattered:
        def __init__(self) -> None:
            self.nets = nn.ModuleDict({"G": make_generator(), "D": make_discriminator()})
            self.more = [make_generator(), make_discriminator()]

        def set_input(self, batch: dict[str, Any]) -> None:
            self.data = batch

    translator, one, two = Scattered(), torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    translator.set_input({"A": one, "B": two, "paths": ["a"]})
    translator.nets["D"](translator.nets["G"](one))
    translator.more[1](translator.more[0](two))
    assert visits(translator, "path") == visits(translator, "function") == 1
    guides = translator.guides
    assert (
        guides["path"].transfer is guides["function"].transfer and guides["path"].store is not guides["function"].store
    )


def test_networks_may_be_built_in_the_first_step_and_views_are_read(
    make_generator: Make, make_discriminator: Make
) -> None:
    @guided(Pair("netG", "netD", "real_A", "A_paths"))
    class Late:
        def set_input(self, batch: dict[str, Any]) -> None:
            self.real_A = batch["A"]
            if not hasattr(self, "netG"):
                self.netG, self.netD = make_generator(), make_discriminator()

    translator = Late()
    with pytest.raises(ConfigError, match=r"pair A: Late has no generator 'netG' \(.*: none\); change generator="):
        _ = translator.guides
    theta = View.crop((4, 0), (60, 64), (64, 64)).theta
    translator.set_input({"A": torch.rand(1, 3, 64, 64), "A_paths": ["a"], "A_guide_view": theta})
    translator.netD(translator.netG(translator.real_A))
    assert torch.equal(translator.guides["A"].views(["a"]).theta, theta)


def test_views_that_were_named_and_are_not_there_are_refused(networks: Any, batches: Any) -> None:
    pair = Pair("netG", "netD", "real_A", "paths", views="crops")
    translator = guided(pair)(type("Mine", (Plain,), {}))(networks)
    with pytest.raises(ConfigError, match=r"nor its batch \(it has A, B, paths\) has views 'crops'; change views="):
        train(translator, batches)


def test_a_visit_begins_with_the_batch_even_if_it_is_the_same_tensor(networks: Any) -> None:
    translator, batch = Picklable(networks), {"A": torch.rand(1, 3, 64, 64), "B": None, "paths": "a"}
    for _ in range(3):
        translator.set_input(batch)
        translator.netG(translator.real_A)
        translator.netD(translator.netG(translator.real_A))
    assert visits(translator) == 3


def test_binding_it_oneself_takes_precedence(networks: Any, batches: Any) -> None:
    translator = Picklable(networks)
    translator.set_input(next(batches))
    translator.guides["A"].bind(translator.real_A, ["mine", "too"])
    translator.optimize()
    assert translator.guides["A"].maps(["mine", "too"])[1].all() and visits(translator) == 2


def test_a_subclass_that_overrides_the_method_is_guided_once(networks: Any, batches: Any) -> None:
    class Calling(Picklable):
        def set_input(self, batch: dict[str, Any]) -> None:
            super().set_input(batch)

    class Replacing(Picklable):
        def set_input(self, batch: dict[str, Any]) -> None:
            self.real_A = batch["A"]

    for kind in (Calling, Replacing):
        translator = kind(copy.deepcopy(networks))
        train(translator, batches)
        assert visits(translator) == 4


def test_instances_do_not_share_guides(networks: Any, batches: Any) -> None:
    one, other = Picklable(copy.deepcopy(networks)), Picklable(networks)
    train(one, batches)
    assert visits(one) == 4 and visits(other) == 0 and one.guides["A"].transfer is not other.guides["A"].transfer


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x)), copy.copy])
def test_a_copy_computes_what_test_time_does_and_leaves_the_memory_alone(
    networks: Any, batches: Any, duplicate: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        __import__("sys").modules, Picklable.__module__, __import__("types").SimpleNamespace(Picklable=Picklable)
    )
    translator = Picklable(networks)
    train(translator, batches)
    double = duplicate(translator)
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(double.netG.eval()(images), translator.netG.eval()(images))
    double.netG.train()
    double.set_input(next(batches))
    if duplicate is not copy.copy:  # which shares the networks
        double.optimize()
    assert visits(translator) == 4
    with pytest.raises(ConfigError, match="is a copy of a guided one"):
        _ = double.guides


def test_a_copy_made_before_the_first_need_is_guided_as_itself(networks: Any, batches: Any) -> None:
    translator = Picklable(networks)
    double = copy.deepcopy(translator)
    train(double, batches)
    assert visits(double) == 4 and visits(translator) == 0


def test_testing_needs_neither_keys_nor_a_discriminator(networks: Any) -> None:
    translator = Picklable(networks)
    del translator.netD
    translator.netG.eval()
    seen, images = input_of(translator.netG), torch.rand(1, 3, 64, 64)
    for _ in range(2):
        translator.set_input({"A": images, "B": None})
        translator.netG(translator.real_A)
    assert torch.equal(seen[-1], 2 * images)


@pytest.mark.parametrize("when", ["before", "after", "function"])
def test_new_parameters_are_trained_by_the_generators_optimizer(networks: Any, batches: Any, when: str) -> None:
    named = (lambda self: self.hidden[0].values()) if when == "function" else None
    decorate = guided(PAIR, config=GuideConfig(transfer="scaled"), plugins=[ScaledPlugin()], optimizers=named)
    translator = decorate(type("Mine", (Plain,), {}))(networks)
    g_optimizer, d_optimizer = translator.optimizers
    if when != "before":
        translator.optimizers = []
        translator.set_input(next(batches))
        translator.optimizers = [g_optimizer, d_optimizer]
    if when == "function":
        translator.hidden = (dict(enumerate(translator.optimizers)), None)
    schedule = torch.optim.lr_scheduler.LambdaLR(g_optimizer, lambda step: 1.0)
    train(translator, batches, 3)
    schedule.step()
    transfer = translator.guides["A"].transfer
    assert transfer.scale != 0.5 and any(held is transfer.scale for held in g_optimizer.param_groups[0]["params"])
    assert len(g_optimizer.param_groups) == 1, "a scheduler made before refuses a second"
    assert sum(len(group["params"]) for group in g_optimizer.param_groups) == 5


def test_new_parameters_no_optimizer_takes_are_an_error_as_soon_as_they_get_a_gradient(
    networks: Any, batches: Any
) -> None:
    decorate = guided(PAIR, config=GuideConfig(transfer="scaled"), plugins=[ScaledPlugin()])
    translator = decorate(type("Mine", (Plain,), {}))(networks)
    translator.optimizers = translator.optimizers[1:]
    train(translator, batches, 1)
    with pytest.raises(ConfigError, match="1 param groups holds the generator's parameters, so T would not be trained"):
        translator.set_input(next(batches))


def test_alpha_widens_with_an_optimizer_that_has_state(networks: Any, batches: Any, same_state: Any) -> None:
    translator = guided(PAIR, config=GuideConfig(concat="alpha"))(type("Mine", (Plain,), {}))(networks)
    translator.set_input = Plain.set_input.__get__(translator)  # some steps before guidance
    train(translator, batches)
    del translator.set_input
    train(translator, batches)
    assert networks[0][1].weight.shape[1] == 4 and visits(translator) == 4


def test_a_batch_without_keys_can_remember_within_itself(networks: Any, batches: Any) -> None:
    translator = guided(Pair("netG", "netD", "real_A"), memory="batch")(type("Mine", (Plain,), {}))(networks)
    seen = input_of(translator.netG)
    train(translator, batches, 1)
    assert len(seen) == 2 and not torch.equal(seen[0], seen[1]) and visits(translator) == 0


def test_a_source_no_generator_takes_is_warned_of_once(
    networks: Any, batches: Any, caplog: pytest.LogCaptureFixture
) -> None:
    translator = guided(Pair("netG", "netD", "real_B", "paths"))(type("Mine", (Plain,), {}))(networks)
    train(translator, batches, 3)
    assert caplog.text.count("no generator call took the tensor that is source 'real_B'") == 1
    translator = guided(PAIR, config=GuideConfig(attention="none"))(type("Mine", (Plain,), {}))(networks)
    train(translator, batches, 3)
    assert caplog.text.count("no generator call") == 1


def test_a_source_that_is_nowhere_is_warned_of_naming_the_batchs_fields(
    networks: Any, batches: Any, caplog: pytest.LogCaptureFixture
) -> None:
    translator = guided(Pair("netG", "netD", "nowhere", "paths"))(type("Mine", (Plain,), {}))(networks)
    train(translator, batches, 3)
    found = "pair nowhere: neither Mine nor its batch (it has A, B, paths) has source 'nowhere'"
    assert caplog.text.count(found) == 1 and "change source=" in caplog.text


@pytest.mark.parametrize("source", ["nowhere", "real_B"])
def test_a_source_no_generator_takes_is_an_error_where_guidance_is_strict(
    networks: Any, batches: Any, source: str
) -> None:
    pair = Pair("netG", "netD", source, "paths")
    translator = guided(pair, config=GuideConfig(strict=True))(type("Mine", (Plain,), {}))(networks)
    with pytest.raises(GuideError, match=rf"source '{source}'.*--guide_strict"):
        train(translator, batches, 3)


def test_steps_without_a_generator_are_no_error_where_guidance_is_strict(networks: Any, batches: Any) -> None:
    translator = guided(PAIR, config=GuideConfig(strict=True))(type("Mine", (Plain,), {}))(networks)
    for batch in [next(batches) for _ in range(2)]:
        translator.set_input(batch)  # the generator waits
    train(translator, batches, 2)


def test_a_batch_that_lacks_its_keys_is_refused_naming_its_fields(networks: Any) -> None:
    translator = Picklable(networks)
    translator.set_input({"A": torch.rand(1, 3, 64, 64), "B": None})
    with pytest.raises(ConfigError, match=r"neither Picklable nor its batch \(it has A, B\) has keys 'paths'"):
        translator.optimize()


@pytest.mark.parametrize("within", [(Guide, "adapt_generator"), (Speedups, "_meet")], ids=str)
def test_an_attachment_that_is_interrupted_leaves_nothing_attached(
    make_generator: Make, make_discriminator: Make, monkeypatch: pytest.MonkeyPatch, within: tuple[type, str]
) -> None:
    @guided(PAIR, Pair("netH", "netE", "real_B", "paths", name="B"), config=GuideConfig(fast="activations,bf16"))
    class Two:
        def __init__(self) -> None:
            self.netG, self.netH = make_generator(), make_generator()
            self.netD, self.netE = make_discriminator(), make_discriminator()

        def set_input(self, batch: object) -> None: ...

    calls, own = [], getattr(*within)

    def interrupted(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return own(*given)

    translator = Two()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(*within, interrupted)
        translator.guides  # noqa: B018 - reading it attaches
    assert {type(network) for network in vars(translator).values() if isinstance(network, nn.Module)} == {nn.Sequential}
    assert all(module.inplace for module in translator.netG.modules() if isinstance(module, nn.ReLU))
    assert list(translator.guides) == ["A", "B"]


def test_a_failed_attachment_leaves_nothing_attached(networks: Any) -> None:
    decorated = guided(PAIR, Pair("netG", "netD", "real_B", "paths", name="B"), config=GuideConfig(layer=99))
    translator = decorated(type("Mine", (Plain,), {}))(networks)
    with pytest.raises(ConfigError, match="layer 99"):
        _ = translator.guides
    assert not any(m._forward_hooks or m._forward_pre_hooks for net in networks for m in net.modules())


@pytest.mark.parametrize(
    ("pairs", "options", "message"),
    [
        ((), {}, "at least one Pair"),
        ((PAIR, PAIR), {}, "2 pairs are named 'A'"),
        ((Pair("netG", "netD", "real_A"),), {}, r"no keys; change keys=, or memory='batch'"),
        ((Plain,), {}, r"expected pairs, found type Plain; write @guided\(Pair\(\.\.\.\)\) above the class"),
        ((PAIR,), {"optimizers": []}, r"optimizers: expected a function of an instance, found \[\]"),
        ((PAIR,), {"config": "pha"}, "config: expected a GuideConfig, found str"),
        ((PAIR,), {"total_steps": 0}, "total_steps: expected a number of batches from 1, found 0"),
        ((PAIR,), {"bind_in": "fit"}, r"Plain has no method fit that takes the batch; change bind_in="),
    ],
)
def test_what_cannot_work_is_refused_at_the_class(pairs: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        guided(*pairs, **options)(Plain)
    assert not hasattr(Plain, "guides")


def test_a_guided_class_is_not_guided_again() -> None:
    with pytest.raises(ConfigError, match="has an attribute 'guides' already"):
        guided(PAIR)(type("Again", (Picklable,), {}))


def test_a_generator_that_is_no_plain_name_needs_a_name() -> None:
    for generator in (lambda self: self.netG, "nets.G"):
        with pytest.raises(ConfigError, match="change name="):
            Pair(generator, "netD", lambda self: self.real_A, "paths")


class Coder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)

    def encode(self, images: Tensor) -> Tensor:
        return self.first(images)  # type: ignore[no-any-return]

    def decode(self, code: Tensor) -> Tensor:
        return self.last(code)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("generator", "discriminator"),
    [
        ("gen_a:encode..gen_b:decode", "judges[0]+judges[1]"),
        ("gen_a.encode..gen_b.decode", "judges[0]+judges[1]"),
        (lambda self: (self.gen_a.encode, self.gen_b.decode), lambda self: self.judges),
    ],
)
def test_a_pair_names_entry_and_exit_and_several_judges(
    make_discriminator: Make, batches: Any, generator: Any, discriminator: Any
) -> None:
    @guided(
        Pair(generator, discriminator, "x_a", "paths", name="A"), config=GuideConfig(attention="tam", judges="mean")
    )
    class Munit:
        def __init__(self) -> None:
            self.gen_a, self.gen_b = Coder(), Coder()
            self.judges = [make_discriminator(), make_discriminator()]
            generators = [*self.gen_a.parameters(), *self.gen_b.parameters()]
            self.optimizers = [torch.optim.Adam(generators), *(torch.optim.Adam(j.parameters()) for j in self.judges)]

        def training_step(self, batch: dict[str, Any]) -> None:
            self.x_a = batch["A"]
            fake = self.gen_b.decode(self.gen_a.encode(self.x_a))
            self.gen_a.decode(self.gen_a.encode(self.x_a))
            sum(judge(fake).mean() for judge in self.judges).backward()  # type: ignore[union-attr]

    translator = Munit()
    for _ in range(2):
        translator.training_step(next(batches))
    guide = translator.guides["A"]  # type: ignore[attr-defined]
    assert guide.statistics()["visits"] == 4 and len(guide.judges) == 2
    for name, optimizer in zip(("M_A", "M2_A"), translator.optimizers[1:], strict=True):
        held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
        assert {id(parameter) for parameter in guide.networks()[name].parameters()} <= set(held), (
            "each D trains its own"
        )


def test_a_pair_says_what_else_its_maps_depend_on(networks: Any, batches: Any) -> None:
    pair = Pair("netG", "netD", "real_A", "paths", key_of=lambda key, call: f"{key} to {call.kwargs.get('to')}")

    class Targeted(nn.Module):
        def __init__(self, inside: nn.Module) -> None:
            super().__init__()
            self.inside = inside

        def forward(self, images: Tensor, to: str = "x") -> Tensor:
            return self.inside(images)  # type: ignore[no-any-return]

    @guided(pair)
    class Mine(Plain):
        def optimize(self) -> None:
            self.netD(self.netG(self.real_A, to="y"))

    translator = Mine((Targeted(networks[0]), networks[1]))
    train(translator, batches, 1)
    assert translator.guides["A"].maps(["a to y"])[1].all()  # type: ignore[attr-defined]


def test_a_place_that_cannot_be_read_is_refused_at_the_class() -> None:
    with pytest.raises(ConfigError, match="names 3 stages"):
        Pair("a..b..c", "netD", "real_A", "paths", name="A")


def test_a_look_up_binds_nothing(networks: Any, batches: Any) -> None:
    translator = guided(PAIR)(type("Mine", (Plain,), {}))(networks)
    translator.set_input(next(batches))
    guide = translator.guides["A"]
    for _ in range(2):
        assert guide.binding.shown(translator.real_A, "A") is None
        assert maps_behind(translator.real_A, guide.binding) is None and guide.binding.translation("A") is None
    assert guide.binding.current("A") is None and guide.statistics()["bound"] == 0
    translator.optimize()
    assert guide.binding.shown(translator.real_A, "A") is not None, "a call of the generator binds"
