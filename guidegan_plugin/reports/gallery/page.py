"""The page of a gallery: markup by dominate, style and script inline, nothing from the network."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import dominate
from dominate import tags
from dominate.util import raw

from guidegan_plugin.plugins.sample import ATTENTION, BLENDED, INPUT, OUTPUT
from guidegan_plugin.reports.gallery.pictures import EVEN
from guidegan_plugin.reports.gallery.thumbnails import SampleThumbnails, Thumbnail

# By which a gallery of ours is known again.
GENERATOR = "guidegan_plugin gallery"

_ATTENTION = (
    "where the discriminator looks; white: most. A placeholder is the map of ones that the generator is given at test "
    "time, a mean map is that of all images that training remembers, a predicted map is what a small network makes of "
    "the image; a test with --guide_show draws the discriminator's own map instead."
)
# What is known of an image in numbers: by the name of its data attribute, what it is called, how images are sorted by
# it, and what it means.
_NUMBERS = {
    "entropy": (
        "map entropy",
        "lowest first",
        "how evenly spread the map is that training remembers for the image: 1 where the map is the same everywhere, "
        "low where the discriminator looks at few places.",
    ),
    "evenness": (
        "how evenly spread the map is",
        "lowest first",
        "1 where the map is the same everywhere, low where the discriminator looks at few places. Measured on the "
        f"picture of the map, at {EVEN} × {EVEN} pixels: to be compared with other pictures, not with a map entropy.",
    ),
    "visits": ("visits", "most first", "how many times training has used the image."),
    "age": (
        "epochs since last visit",
        "most first",
        "how many epochs ago training last used the image, as far as the saved epochs tell.",
    ),
}
_KEYS = {
    "j or ↓, k or ↑": "next image, previous image",
    "→, ←": "more, less of the map over the image",
    "space": "show or hide the map over the image",
    "Enter": "open the picture that has the focus in full size",
    "d": "switch between dark and light",
    "?": "show this list",
}


def render(title: str, samples: Sequence[SampleThumbnails], folder: Path, blended_as: str) -> str:
    """Write the page.

    Args:
        title: Of the run.
        samples: In the order they are shown.
        folder: Where the page will lie, resolved; links to full pictures are relative to it.
        blended_as: What the blended input shows, in words; empty where it is not shown.

    Returns:
        HTML, encodable as UTF-8 whatever the file names are.
    """
    style, script = _own("style.css"), _own("script.js")
    page = dominate.document(title=f"{readable(title)} · gallery", lang="en")
    page.head.add(
        tags.meta(charset="utf-8"),
        tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
        tags.meta(name="generator", content=GENERATOR),
        tags.meta(http_equiv="Content-Security-Policy", content=_policy(style, script)),
        tags.style(raw(style)),
    )
    page.add(_header(title, samples, blended_as), _controls(samples))
    page.add(tags.main([_article(shown, folder) for shown in samples], id="images"), _help(), tags.script(raw(script)))
    return str(page.render(pretty=False))


def readable(name: str) -> str:
    """A file name as text: control characters become visible, bytes that are no UTF-8 a replacement character."""
    text = os.fsencode(name).decode(errors="replace")
    return "".join(chr(0x2400 + ord(sign)) if ord(sign) < 32 else "␡" if sign == "\x7f" else sign for sign in text)


def _own(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """What a browser may load: pictures beside the page, and these very texts; so no file name can run as a script."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return f"default-src 'none'; img-src 'self' file:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"


def _numbers(shown: SampleThumbnails) -> dict[str, float]:
    """What is known of an image, by the keys of ``_NUMBERS``."""
    sample = shown.sample
    numbers = {"entropy": sample.entropy, "evenness": shown.evenness, "visits": sample.visits, "age": sample.age}
    return {key: number for key, number in numbers.items() if number is not None}


def _known(samples: Sequence[SampleThumbnails]) -> list[str]:
    """The numbers that are known of any image."""
    known = {key for shown in samples for key in _numbers(shown)}
    return [key for key in _NUMBERS if key in known]


def _over(samples: Sequence[SampleThumbnails]) -> str | None:
    """What the slider does, None where no picture has a map over it."""
    compared = {thumbnail.role for shown in samples for thumbnail in shown.thumbnails if thumbnail.over}
    return f"map over the {OUTPUT if OUTPUT in compared else INPUT}" if compared else None


def _header(title: str, samples: Sequence[SampleThumbnails], blended_as: str) -> tags.header:
    legend = {ATTENTION: _ATTENTION}
    if blended_as and any(one.role == BLENDED for shown in samples for one in shown.thumbnails):
        legend[BLENDED] = f"{blended_as}: what the generator is given when it sees the image with this map."
    if over := _over(samples):
        legend[over] = "the brighter the map, the more orange; the slider fades the map in."
    legend |= {name: meaning for name, _, meaning in (_NUMBERS[key] for key in _known(samples))}
    explained = tags.dl([[tags.dt(term), tags.dd(text)] for term, text in legend.items()])
    return tags.header(
        tags.h1(tags.bdi(readable(title))),
        tags.p(tags.output(f"{len(samples)} image{'s' * (len(samples) != 1)}", id="count")),
        tags.details(tags.summary("What the page shows"), explained),
    )


def _controls(samples: Sequence[SampleThumbnails]) -> tags.section:
    """What needs the script, and is hidden until it runs."""
    controls = tags.section(id="controls", aria_label="controls", hidden=True)
    if over := _over(samples):
        controls.add(tags.label(over, tags.input_(type="range", id="overlay", min="0", max="100", value="0")))
    options = [tags.option("name", value="name")]
    options += [tags.option(f"{_NUMBERS[key][0]}, {_NUMBERS[key][1]}", value=key) for key in _known(samples)]
    controls.add(tags.label("sort by", tags.select(options, id="sort")))
    groups = list(dict.fromkeys(shown.sample.group for shown in samples))
    if len(groups) > 1:
        choices = [tags.option("all", value="*"), *(tags.option(group, value=group) for group in groups)]
        controls.add(tags.label("show", tags.select(choices, id="group")))
    controls.add(tags.label("find", tags.input_(type="search", id="find")))
    controls.add(tags.button("dark or light", type="button", id="theme"))
    controls.add(tags.button("shortcuts", type="button", id="keys"))
    return controls


def _article(shown: SampleThumbnails, folder: Path) -> tags.article:
    sample, name, numbers = shown.sample, readable(shown.sample.name), _numbers(shown)
    heading = tags.h2(tags.bdi(name))
    if sample.group:
        heading.add(" ", tags.small(sample.group))
    article = tags.article(heading, tabindex=-1, data_group=sample.group)
    if numbers:
        said = [f"{_NUMBERS[key][0]}: {f'{n:.3f}' if isinstance(n, float) else n}" for key, n in numbers.items()]
        article.add(tags.p(" · ".join(said), cls="facts"))
    for key, number in numbers.items():
        article[f"data-{key}"] = f"{number:.6g}"
    given = sample.given or ("placeholder" if sample.placeholder else "")
    figures = [_figure(thumbnail, name, folder, given) for thumbnail in shown.thumbnails]
    article.add(tags.div(figures, cls="pictures"))
    if shown.epochs:
        article.add(_strip(shown, name))
    return article


def _strip(shown: SampleThumbnails, name: str) -> tags.ol:
    items = []
    for epoch, thumbnails in shown.epochs.items():
        label = f"epoch {readable(epoch)}" if epoch.isdecimal() else readable(epoch)
        pictures = [_picture(one.file, f"{one.role} of {name}, {label}", one.size) for one in thumbnails]
        items.append(tags.li(pictures, tags.span(label)))
    return tags.ol(items, cls="epochs", tabindex=0, aria_label=f"epochs of {name}")


def _figure(thumbnail: Thumbnail, name: str, folder: Path, given: str) -> tags.figure:
    role, size = readable(thumbnail.role), thumbnail.size
    shown = _picture(thumbnail.file, f"{role} of {name}", size)
    if thumbnail.over:
        over = _picture(thumbnail.over, f"{ATTENTION} over the {role} of {name}", size, cls="over")
        shown = tags.div(shown, over, cls="stack")
    if thumbnail.full is not None:
        shown = tags.a(shown, href=_address(thumbnail.full, folder))
    return tags.figure(shown, tags.figcaption(f"{role} ({given})" if given and role == ATTENTION else role))


def _picture(file: str, alt: str, size: tuple[int, int], **more: str) -> tags.img:
    return tags.img(src=file, alt=alt, width=size[0], height=size[1], loading="lazy", decoding="async", **more)


def _address(path: Path, folder: Path) -> str:
    relative = os.path.relpath(path.parent.resolve() / path.name, folder)
    return quote(os.fsencode(relative.replace(os.sep, "/")))


def _help() -> tags.html_tag:
    keys = tags.dl([[tags.dt(key), tags.dd(text)] for key, text in _KEYS.items()])
    switch = tags.label(tags.input_(type="checkbox", id="listen", checked=True), " use single-key shortcuts")
    form = tags.form(tags.button("close"), method="dialog")
    title = tags.h2("Keyboard shortcuts", id="keys-title")
    dialog = tags.html_tag(title, keys, switch, form, id="help", aria_labelledby="keys-title")
    dialog.tagname = "dialog"  # which dominate lacks
    return dialog
