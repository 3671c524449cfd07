"""The gallery: an HTML page of a run's images and of where the discriminator looks; the page needs no network."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import DataError
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING, stores_in
from guidegan_plugin.plugins.find_host import host_of_run, registered_hosts
from guidegan_plugin.plugins.host import Host
from guidegan_plugin.plugins.manager import collect, create_manager
from guidegan_plugin.plugins.sample import Run
from guidegan_plugin.plugins.stored_run import read_stores
from guidegan_plugin.reports.gallery.beside import set_beside
from guidegan_plugin.reports.gallery.page import GENERATOR, render
from guidegan_plugin.reports.gallery.thumbnails import ThumbnailWriter
from guidegan_plugin.utils.files import os_errors_as, whole_folder
from guidegan_plugin.utils.progress import progress

_log = logging.getLogger(__name__)


def make_gallery(
    run: Path,
    out: Path | None = None,
    thumbnails: int = 256,
    concat: str | None = None,
    beside: Mapping[str, Path] | None = None,
) -> Path:
    """Make the gallery of a run, whole or not at all.

    Args:
        run: A folder that one of the registered hosts knows as what a test or a training left, or any folder of
            stores: the memory over epochs.
        out: A new folder or one of ours, which is replaced; by default ``gallery`` in the run.
        thumbnails: Their longer side in pixels.
        concat: How map and input are blended, for the blended input: ``rhp``, ``alpha`` or a plugin's. By
            default what the run's stores say, else ``rhp``.
        beside: Other tests of the same images, by what people read: their maps and outputs stand side by side below
            each image.

    Returns:
        The page, an absolute path.

    Raises:
        DataError: If the run has no images, the folder is not ours, or it cannot be written.
        StoreError: If a store is torn or foreign.
    """
    found = _read(run)
    if beside:
        others = {label: _read(other).samples for label, other in beside.items()}
        found = replace(found, samples=set_beside(found.samples, others, run))
    out = (out or run / "gallery").resolve()
    _check_replaceable(out)
    kinds: dict[str, type[Concatenation]] = collect(create_manager(), "concatenation")
    kind = kinds.get(concat or found.concat or GuideConfig().concat)
    concatenation = None if kind is None else kind.from_options(kind.Options(), GuideConfig())
    failure = f"gallery {out} could not be written"
    with os_errors_as(DataError, failure, "change --out"), whole_folder(out, replace=True) as fresh:
        writer = ThumbnailWriter(fresh, thumbnails, concatenation)
        written = [writer.write(sample) for sample in progress(found.samples, "thumbnails")]
        shown = [sample for sample in written if sample.thumbnails or any(sample.epochs.values())]
        if not shown and writer.broken:
            raise DataError(f"no image of {run} can be read, such as {writer.broken[0]}; change RUN")
        blended_as = concatenation.preview_text if concatenation else ""
        page = render(found.title or run.absolute().name, shown, out, blended_as)
        (fresh / "index.html").write_text(page, encoding="utf-8")
    if writer.broken:
        _log.warning("%d images could not be read and are left out, such as %s", len(writer.broken), writer.broken[0])
    return out / "index.html"


def _read(run: Path) -> Run:
    """What the first host that knows the folder makes of it; without one, what its stores remember."""
    hosts = registered_hosts()
    host = host_of_run(run, hosts)
    found = read_stores(run) if host is None else host.read_run(run)
    if not found.samples and host is None:
        near = " or ".join(map(str, _nearest(run, hosts)))
        hint = f"did you mean {near}? Change RUN" if near else "change RUN"
        if near or not run.is_dir():
            raise DataError(f"{run} {'holds no run itself' if run.is_dir() else 'is no folder'}; {hint}")
    if not found.samples and host is not None:
        raise DataError(f"no images of a run in {run}: a run of {host.name}, which left none; change RUN")
    if not found.samples:
        known = [f"{kind.name} looks for {', '.join(kind.run_holds)}" for kind in hosts if kind.run_holds]
        looked = "; ".join([*known, f"without a host there must be *{STORE_ENDING}"])
        raise DataError(f"no images of a run in {run}: {looked}; change RUN")
    return found


def _nearest(run: Path, hosts: Sequence[type[Host]]) -> list[Path]:
    """Runs in a folder, or where there is none those that are called nearly so, beside it or where hosts write."""
    if run.is_dir():
        return _runs(run, hosts)[:3]
    for folder in (run.parent, *(Path(kind.checkpoints) for kind in hosts if kind.checkpoints)):
        runs = {path.name: path for path in _runs(folder, hosts)}
        if near := difflib.get_close_matches(run.name, runs, 3):
            return [runs[name] for name in near]
    return []


def _runs(folder: Path, hosts: Sequence[type[Host]]) -> list[Path]:
    """The folders in a folder that hold what a run left; none where there is no such folder."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return [path for path in inside if host_of_run(path, hosts) or stores_in(path)]


def _check_replaceable(out: Path) -> None:
    """Refuse to replace what is no gallery of ours."""
    if not out.exists():
        return
    page = out / "index.html"
    names = {path.name for path in out.iterdir()} if out.is_dir() else {""}
    ours = names == {"index.html", "thumbnails"} and GENERATOR in page.read_text(encoding="utf-8", errors="replace")
    if names and not ours:
        raise DataError(f"{out} exists and is no gallery of ours, so it is not replaced; change --out, or remove it")
