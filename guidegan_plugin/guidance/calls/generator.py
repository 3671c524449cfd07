"""The generator's input adapter: blends a map into every input, the remembered one only into the bound source."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.arguments import Place, find_images, plain_values, replace_argument, translations
from guidegan_plugin.guidance.calls.batch_memory import Fresh, made_now
from guidegan_plugin.guidance.calls.behaviour import Behaviour
from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.call_site import Arguments, CallSiteHandle, Method, add_call_site
from guidegan_plugin.guidance.calls.fake_tracking import mark
from guidegan_plugin.guidance.calls.lineage import Shown, has_memory
from guidegan_plugin.guidance.calls.row_maps import maps_behind, maps_of_rows, placeholder, with_noise
from guidegan_plugin.guidance.calls.rows import Made, keys_in_call
from guidegan_plugin.guidance.calls.second_use import refuse_second_use
from guidegan_plugin.guidance.calls.sharing import answers_for
from guidegan_plugin.guidance.calls.stages import ExitSite, Stage, note_code
from guidegan_plugin.guidance.calls.unbound import UnboundWatch
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.view import Resampler, View
from guidegan_plugin.guidance.test_time.given_map import GivenMap


class PlaceholderBlend:
    """Blends all ones into every input: what other passes see, and test time and copies unless asked for another map.

    Attributes:
        concatenation: How a map enters the input.
        transfer: T, or what the host wrapped T in.
        given: What stands for the map at test time; None for ones.
        argument: Where the generator takes its images, once that was seen; None for its first images.
        joined: Where the image stands in inputs that labels or noise were joined to, by their number of channels.
    """

    def __init__(
        self,
        concatenation: Concatenation,
        transfer: nn.Module,
        argument: Place | None = None,
        joined: Mapping[int, tuple[int, int]] | None = None,
        given: GivenMap | None = None,
    ) -> None:
        self.concatenation, self.transfer, self.argument, self.given = concatenation, transfer, argument, given
        self.joined = dict(joined or {})
        self._ones: dict[torch.device, Tensor] = {}

    def __reduce__(self) -> tuple[type[PlaceholderBlend], tuple[Any, ...]]:
        # A pickled generator carries one along: T itself, not the wrapper (DDP) it is called through.
        return PlaceholderBlend, (self.concatenation, unwrap(self.transfer), self.argument, self.joined, self.given)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments of a call with what test time blends in; as a stand-in."""
        where, images = find_images(args, kwargs, self.argument)
        return replace_argument(args, kwargs, where, self.blend(images, self.at_test(images)))

    def at_test(
        self, images: Tensor, channels: tuple[int, int] | None = None, view: View | None = None
    ) -> Tensor | None:
        """The maps that test time gives the generator, None for the placeholder; channels as for :meth:`blend`."""
        if self.given is None:
            return None
        start, end = channels or self.joined.get(images.shape[1], (0, images.shape[1]))
        return self.given(images[:, start:end], view)

    def blend(self, images: Tensor, maps: Tensor | None = None, channels: tuple[int, int] | None = None) -> Tensor:
        """T, then the concatenation.

        Args:
            images: ``(N, C, H, W)``.
            maps: ``(N, 1, h, w)``, in [0, 1]; None for the placeholder.
            channels: From which channel to which the images stand, if not alone; None for as they were seen to stand.

        Returns:
            ``(N, C', H, W)``.
        """
        size = (images.shape[-2], images.shape[-1])
        given = self._placeholder(images) if maps is None else maps.detach()
        if maps is None and getattr(self.transfer, "keeps_ones", False):  # T has nothing to do
            transferred = given.expand(-1, -1, *size)
            blend: Callable[[Tensor, Tensor], Tensor] = self.concatenation.blend_ones
        else:
            blend, transferred = self.concatenation.blend, self.transfer(given, size)
        channels = self.joined.get(images.shape[1]) if channels is None and self.joined else channels
        if channels is None or channels == (0, images.shape[1]):
            return blend(images, transferred)
        self.joined[images.shape[1]] = channels
        return self.concatenation.blend_part(images, transferred, channels)

    def _placeholder(self, images: Tensor) -> Tensor:
        """:func:`placeholder`, made once a device; not for a graph, which may reuse its tensors or fix their size."""
        # Torch neither types is_tracing nor lists it as public.
        if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            return placeholder(images)
        if (ones := self._ones.get(images.device)) is None:
            with torch.inference_mode(False):
                ones = placeholder(images[:1])
            if type(ones) is Tensor and has_memory(ones):  # what torch.func or a fake mode makes ends with them
                self._ones[images.device] = ones
        return ones.expand(len(images), 1, 1, 1)


class GeneratorAdapter:
    """The call site on one generator: where it is called, or entered if it is left elsewhere.

    Args:
        pair: Name of the pair.
        binding: Tells which tensor shows which images.
        store: Remembered maps.
        blend: T and the concatenation.
        behaviour: How the memory is read.
        fresh: Makes maps within the step; by default they are read from the store.
    """

    def __init__(
        self,
        pair: str,
        binding: SourceBinding,
        store: AttentionStore,
        blend: PlaceholderBlend,
        behaviour: Behaviour,
        fresh: Fresh | None = None,
    ) -> None:
        self._pair, self._binding, self._store, self._blend = pair, binding, store, blend
        self._how, self._fresh, self._staged, self._resample = behaviour, fresh, False, Resampler()
        self._unbound = UnboundWatch(pair, behaviour.strict)

    def attach(self, entry: Stage, exit_: Stage | None = None) -> list[CallSiteHandle]:
        """Meet the generator where it is called, and where it is left; if one cannot be, nothing stays.

        Args:
            entry: What is called with source images.
            exit_: What makes the fake of what the entry returned, where that is not the fake itself.

        Raises:
            ConfigError: If the generator is guided already, has no such method, or is to make maps within a batch
                though it has an exit.
        """
        if exit_ is not None and self._fresh is not None:
            raise ConfigError(
                "memory='batch' needs a generator that translates in one call, found an entry and an exit; change "
                "generator=, or memory='image' with keys"
            )
        module, method = entry.module, entry.method
        others = [place for pair, place in self._binding.translators.items() if pair != self._pair]
        left = [] if exit_ is None else [ExitSite(self._pair, self._binding).attach(exit_)]
        try:
            handles = [add_call_site(module, method, self._called, self._binding, self._blend), *left]
        except BaseException:
            for handle in left:
                handle.remove()
            raise
        self._binding.shared |= any(network() is module and name == method for network, name in others)
        self._binding.translators[self._pair] = weakref.ref(module), method
        self._staged = exit_ is not None
        return handles

    def _called(self, module: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of G: blend a map into its images, and note what it makes of a source."""
        if self._binding.lineage.watching:
            self._binding.lineage.pause()
        where, images, shown = self._find(args, kwargs)
        visit, tests = self._binding.visits.get(self._pair), self._how.testing or not module.training
        tests = tests or (visit is None and self._binding.is_at_rest(self._pair))
        made: Made | None = None
        if visit is not None:
            visit.seen.generated += 1
        elif not (tests or self._binding.binds_itself):
            self._unbound.called()
        if visit is None or shown is None or shown.visit is not visit:
            if self._binding.shared and not answers_for(self._binding, self._pair, images):
                return method(*args, **kwargs)
            blended = self._other_pass(images, visit, tests)
        else:
            made, maps = self._source(visit, shown, module, method, (args, kwargs), where, tests)
            if tests and maps is None:
                maps = self._blend.at_test(images, shown.channels, visit.view if shown is visit.shown else None)
            blended = self._blend.blend(images, maps, shown.channels)
        try:
            if isinstance(where, int):
                output = method(*args[:where], blended, *args[where + 1 :], **kwargs)
            else:
                output = method(*args, **{**kwargs, where: blended})
        except RuntimeError as error:
            refuse_second_use(error, self._pair, module, images, blended)
            raise
        if made is None or visit is None:
            return output
        if self._staged:
            note_code(visit, made, output)
            return output
        leaves = [("", output)] if isinstance(output, Tensor) else translations(output)
        for path, image in leaves:
            if image.dim() == 4 and len(image) == len(images):
                visit.unmarked |= not mark(image, one := replace(made, path=path) if path else made)
                visit.fakes.append((weakref.ref(image), one))
        return output

    def _source(
        self,
        visit: Visit,
        shown: Shown,
        module: nn.Module,
        method: Method,
        given: Arguments,
        where: Place,
        tests: bool,
    ) -> tuple[Made, Tensor | None]:
        """A call of G with images of this pair's visit: what G makes of which images, and the maps to be blended in."""
        args, kwargs = given
        call, keys = (len(args), plain_values(kwargs) if kwargs else ()), visit.keys
        known = self._binding.calls.get(self._pair)
        if tests:
            visit.tested, visit.seen.in_eval = True, torch.is_grad_enabled() and not self._how.testing
            maps = visit.refined
        elif known is not None and call not in known:  # features of the source, say, and no translation
            maps = None
        elif self._fresh is not None:
            make = partial(self._fresh, module, method)
            maps = visit.maps = made_now(make, self._blend.blend, self._how.schedule, visit, shown, given, where)
        else:
            visit.trained |= torch.is_grad_enabled()
            visit.tested |= not visit.trained
            if self._how.key_of is not None:
                keys = keys_in_call(self._how.key_of, visit, shown.rows, args, kwargs)
            if keys not in visit.reads:
                images: Tensor = args[where] if isinstance(where, int) else kwargs[where]
                visit.reads[keys] = self._recalled(visit, keys, images.device)
            maps = visit.maps = visit.reads[keys]
        if maps is not None and shown is not visit.shown and self._fresh is None:
            maps = maps_of_rows(maps, shown.rows, visit)
        return Made(shown.rows, "", call, keys, visit), maps

    def _find(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Place, Tensor, Shown | None]:
        """The argument that shows images of this pair's visit; without one, the argument that is G's images."""
        binding, lineage, first = self._binding, self._binding.lineage, None
        places: list[tuple[Place, Any]] = [*enumerate(args), *kwargs.items()]
        for where, value in places:
            if not isinstance(value, Tensor) or value.dim() != 4:
                continue
            if binding.binds_itself:
                binding.called_with(value, self._pair)
            shown, visit = None, binding.visits.get(self._pair)
            same = visit and not lineage.rewritten and visit.images() is value and visit.shape == value.shape
            with suppress(NotImplementedError):  # a tensor within torch.func (vmap, grad) has no storage
                if value.untyped_storage()._cdata in lineage.storages:
                    shown = visit.shown if visit and same else binding.shown(value, self._pair)
            # A call in another thread than the one that bound the visit is a test.
            if shown is not None and shown.visit is visit and visit and visit.thread == threading.get_ident():
                self._blend.argument = where
                return where, value, shown
            if first is None or where == self._blend.argument:
                first = where, value, None
        return first or (*find_images(args, kwargs), None)

    def _other_pass(self, images: Tensor, visit: Visit | None, tests: bool) -> Tensor:
        """Reconstruction, identity, test: equation (10) and section 4."""
        if torch._C._current_graph_task_id() != -1:  # in a backward pass: an activation checkpoint of the whole call
            self._binding.refuse_lost(images, self._pair)
        if visit is not None and visit.seen.stranger is None:
            visit.seen.stranger = images.shape, images.dtype, images.device, weakref.ref(images)
        if tests:
            return self._blend.blend(images, self._blend.at_test(images))
        if self._how.cycle == "off":
            return self._blend.concatenation.without_map(images)
        return self._blend.blend(images, maps_behind(images, self._binding) if self._how.cycle == "source" else None)

    def _recalled(self, visit: Visit, keys: tuple[str, ...], device: torch.device) -> Tensor:
        """Equation (1): the maps of the same images at their previous visit, moved to where they are seen now."""
        recalled = self._store.recall(keys, device)
        visit.ages = recalled.ages
        maps, then, now = recalled.maps, recalled.views, visit.view
        if self._how.align and then is not None and now is not None and not torch.equal(then.theta, now.theta):
            maps = self._resample(maps, then.seen_from(now))
        if self._how.random_first and not all(recalled.visited):
            height, width = maps.shape[-2:] if any(recalled.visited) else visit.shape[-2:]
            maps = with_noise(maps, recalled.visited, keys, (height, width), self._how.seed)
        return self._how.schedule.apply(maps, keys, recalled.visits)
