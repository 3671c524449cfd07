"""Private names of torch: each with a test of the behaviour that the package relies on.

A release of torch that changes one of these fails here, in words, and not in a training that is guided no more.
"""

from __future__ import annotations

import ast
import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import guidegan_plugin

PACKAGE = Path(guidegan_plugin.__file__).parent
GUARDS: dict[str, Callable[[], None]] = {}
# A name of ours that is found by its text, names of the standard library, and a base that is only named for its type.
OTHERS = {"_stand_in", "_ActionsContainer", "_Hash", "_exit", "_getframe", "_C"}


def guards(*names: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Mark what checks some names."""

    def mark(check: Callable[[], None]) -> Callable[[], None]:
        GUARDS.update(dict.fromkeys(names, check))
        return check

    return mark


@guards("_cdata")
def a_storage_has_one_number_however_it_is_looked_at() -> None:
    images = torch.rand(2, 3)
    number = images.untyped_storage()._cdata
    for alias in (images[1:], images.detach(), images.view(6), images.t()):
        assert alias.untyped_storage()._cdata == number
    other = images.clone()  # both alive
    assert other.untyped_storage()._cdata != number
    # It is one object, too, which lives as long as any tensor that lies in it.
    held = weakref.ref(images.untyped_storage())
    alias = images.data
    del images
    gc.collect()
    assert held() is alias.untyped_storage()
    del alias
    gc.collect()
    assert held() is None


@guards("_get_current_function_mode")
def the_topmost_function_mode_is_known() -> None:
    class Mode(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return func(*args, **(kwargs or {}))

    before = torch.overrides._get_current_function_mode()
    with Mode() as mode:
        assert torch.overrides._get_current_function_mode() is mode
    assert torch.overrides._get_current_function_mode() is before


@guards("_current_graph_task_id")
def within_a_backward_pass_a_task_has_a_number() -> None:
    class Asks(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, images: Tensor) -> Tensor:
            return images.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            seen.append(torch._C._current_graph_task_id())
            return gradient

    seen: list[int] = []
    assert torch._C._current_graph_task_id() == -1
    Asks.apply(torch.rand(2, requires_grad=True)).sum().backward()
    assert seen and seen[0] != -1 and torch._C._current_graph_task_id() == -1


@guards("_input_metadata")
def a_node_tells_the_shapes_of_its_outputs_or_has_no_such_attribute() -> None:
    node = (torch.rand(2, 3, requires_grad=True) * 2).unbind(0)[1].grad_fn
    told: Any = getattr(node, "_input_metadata", None)
    if told is None:
        assert torch.__version__.startswith("2.4"), "only torch 2.4 goes without"
    else:
        assert [tuple(one.shape) for one in told] == [(3,), (3,)]


@guards("_saved_self_sym_sizes", "_saved_split_size", "_saved_split_sizes", "_saved_")
def nodes_of_moves_keep_how_they_moved() -> None:
    images = torch.rand(4, 3, 8, 8, requires_grad=True) * 1

    def saved(moved: Tensor, name: str) -> Any:
        value = getattr(moved.grad_fn, f"_saved_{name}")
        return tuple(value) if isinstance(value, (list, tuple)) else value

    assert saved(images[1:3], "self_sym_sizes") == (4, 3, 8, 8)
    assert [saved(images[1:3], name) for name in ("dim", "start", "end", "step")] == [0, 1, 3, 1]
    assert (saved(images[2], "dim"), saved(images[2], "index")) == (0, 2)
    assert saved(torch.cat([images, images], 1), "dim") == 1
    assert saved(torch.cat([images, images], -1), "dim") in (-1, 3, 2**64 - 1)
    assert saved(torch.stack([images, images]), "dim") == 0
    assert saved(images.flip(0, 3), "dims") == (0, 3)
    assert saved(images.split(2)[0], "split_size") == 2 and saved(images.split([1, 3])[0], "split_sizes") == (1, 3)
    assert saved(images.unbind(0)[0], "dim") == saved(images.unsqueeze(0), "dim") == 0
    index = torch.tensor([1, 0])
    assert torch.equal(saved(images[index], "indices")[0], index)
    assert torch.equal(saved(images.index_select(0, index), "index"), index)


@guards("_wrapped_node")
def a_node_of_a_write_into_a_part_tells_what_was_written_or_has_no_such_attribute() -> None:
    images = torch.rand(2, 3, 8, 8, requires_grad=True) * 1
    images[:, :, :2] = 0
    written: Any = getattr(images.grad_fn, "_wrapped_node", None)
    if written is not None:
        assert written.name().startswith("Fill") and tuple(written._input_metadata[0].shape) == (2, 3, 2, 8)


@guards("_base")
def a_view_knows_the_tensor_it_looks_at() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert images._base is None and images[1:]._base is images
    assert nn.InstanceNorm2d(3)(images.requires_grad_())._base is not None


@guards("_version")
def a_change_in_place_counts() -> None:
    weight = torch.rand(2)
    before = weight._version
    weight.add_(1)
    assert weight._version > before


@guards("_orig_mod", "_compiled_call_impl", "_dynamo")
def compiled_networks_are_told_from_others() -> None:
    network = nn.Linear(1, 1)
    assert network._compiled_call_impl is None and not hasattr(network, "_orig_mod")
    assert torch.compile(network, backend="eager")._orig_mod is network
    network.compile(backend="eager")
    assert network._compiled_call_impl is not None and callable(torch._dynamo.reset)


@guards("_buffers", "_modules", "_parameters", "_forward_hooks", "_forward_pre_hooks", "_load_state_dict_pre_hooks")
def a_modules_dictionaries_hold_what_was_registered() -> None:
    norm, network = nn.BatchNorm2d(2), nn.Sequential(nn.Conv2d(3, 2, 1))
    assert norm._buffers["running_mean"] is norm.running_mean and network._modules["0"] is network[0]
    assert network[0]._parameters["weight"] is network[0].weight

    def hook(*_: object) -> None:
        return None

    network.register_forward_hook(hook)
    network.register_forward_pre_hook(hook)
    assert [*network._forward_hooks.values()] == [*network._forward_pre_hooks.values()] == [hook]
    # A module may exchange a buffer behind its registration.
    other = torch.ones(2)
    norm._buffers["running_mean"] = other
    assert norm.running_mean is other


@guards("_register_load_state_dict_pre_hook")
def a_hook_before_loading_is_given_the_module_the_state_and_the_prefix() -> None:
    seen: list[tuple[Any, ...]] = []
    convolution = nn.Conv2d(1, 1, 1)
    handle = convolution._register_load_state_dict_pre_hook(lambda *given: seen.append(given), with_module=True)
    held = [getattr(hook, "hook", hook) for hook in convolution._load_state_dict_pre_hooks.values()]
    network = nn.Sequential(convolution)
    network.load_state_dict(network.state_dict())
    assert len(held) == 1 and seen[0][0] is convolution and "0.weight" in seen[0][1] and seen[0][2] == "0."
    handle.remove()
    assert not convolution._load_state_dict_pre_hooks


@guards("_metadata")
def a_state_dict_carries_the_versions_of_its_modules() -> None:
    assert "" in nn.BatchNorm2d(2).state_dict()._metadata


@guards("_InstanceNorm", "_NormBase")
def norms_have_their_bases() -> None:
    assert isinstance(nn.InstanceNorm2d(1), nn.modules.instancenorm._InstanceNorm)
    assert isinstance(nn.BatchNorm2d(1), nn.modules.batchnorm._NormBase)
    assert isinstance(nn.InstanceNorm2d(1), nn.modules.batchnorm._NormBase)


@guards("torch.utils._pytree")
def trees_are_walked_with_their_paths() -> None:
    from torch.utils._pytree import keystr, tree_flatten_with_path, tree_leaves, tree_map_only

    tree = {"fake": [torch.zeros(1), (torch.ones(1), 3)]}
    assert [float(leaf) for leaf in tree_leaves(tree)] == [0, 1, 3]
    mapped = tree_map_only(Tensor, lambda leaf: leaf + 1, tree)
    assert float(mapped["fake"][1][0]) == 2 and mapped["fake"][1][1] == 3
    paths = [keystr(path) for path, _ in tree_flatten_with_path(tree)[0]]
    assert paths == ["['fake'][0]", "['fake'][1][0]", "['fake'][1][1]"]


@pytest.mark.parametrize("check", dict.fromkeys(GUARDS.values()), ids=lambda check: check.__name__)
def test_what_is_relied_on_holds(check: Callable[[], None]) -> None:
    check()


def private_names(path: Path) -> set[str]:
    """Private names that a file takes from somebody else than its own classes' `self`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        name: object = None
        if isinstance(node, ast.Attribute) and not (
            isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        ):
            name = node.attr
        elif isinstance(node, ast.ImportFrom) and "._" in (node.module or ""):
            found.add(str(node.module))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
            asked = node.args[1]
            asked = asked.values[0] if isinstance(asked, ast.JoinedStr) else asked
            name = asked.value if isinstance(asked, ast.Constant) else None
        if isinstance(name, str) and name.startswith("_") and not name.startswith("__"):
            found.add(name)
    return found


def own_names(path: Path) -> set[str]:
    """Private functions, classes and attributes that a file itself makes."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            found |= {node.attr} if node.value.id == "self" else set()
    return found


def test_no_private_name_is_used_without_such_a_test() -> None:
    files = list(PACKAGE.rglob("*.py"))
    used = {name: path for path in files for name in private_names(path)}
    known = {*GUARDS, *OTHERS}.union(*map(own_names, files))
    unguarded = {name: str(path) for name, path in used.items() if name not in known}
    assert not unguarded, "write what is relied on, or take a public name"
    assert not {*GUARDS} - {*used}, "guarded, and used no more"
