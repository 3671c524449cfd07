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
from guidegan_plugin.reports.gallery.thumbnails import Card, Thumbnail

# By which a gallery of ours is known again.
GENERATOR = "guidegan_plugin gallery"

_BLENDED = {
    "rhp": "(A + 1) / 2 · x of input x and map A, half of the residual Hadamard product",
    "alpha": "the input with the map as its opacity (alpha channel), over gray",
}
_LEGEND = {
    ATTENTION: "where the discriminator looks; white: most. A placeholder is the map of ones that test time shows the "
    "generator; --guide_show draws the discriminator's own.",
    "map entropy": "how evenly it looks, of the map as it is remembered: 1 is everywhere alike, low is focused.",
    "picture evenness": "the same of a picture of a map, where nothing else is known, brought to "
    f"{EVEN} × {EVEN} pixels: not the map entropy of the memory, and to be compared with other pictures only.",
    "overlay": "the map in orange over the output (over the input where there is no output): the slider fades it in.",
    "epochs since last visit": "how long ago training visited the image, as far as the epochs that were saved tell.",
}
_KEYS = {
    "j or ↓, k or ↑": "next image, previous image",
    "→, ←": "more overlay, less overlay",
    "space": "all overlay or none",
    "Enter": "open the picture that has the focus in full size",
    "d": "dark or light",
    "?": "this list",
}
_SORTS = {
    "name": "name",
    "entropy": "map entropy, low first",
    "evenness": "picture evenness, low first",
    "age": "epochs since last visit, most first",
    "visits": "visits, most first",
}


def render(title: str, cards: Sequence[Card], folder: Path, concat: str) -> str:
    """Write the page.

    Args:
        title: Of the run.
        cards: In the order they are shown.
        folder: Where the page will lie, resolved; links to full pictures are relative to it.
        concat: How input and map were blended.

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
    page.add(_header(title, cards, concat), _controls(cards))
    page.add(tags.main([_article(card, folder) for card in cards], id="images"), _help(), tags.script(raw(script)))
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


def _header(title: str, cards: Sequence[Card], concat: str) -> tags.header:
    legend = _LEGEND.copy()
    if concat in _BLENDED:
        legend[BLENDED] = f"{_BLENDED[concat]}: what the generator is given when it sees the image with this map."
    terms = sorted(legend.items(), key=lambda item: item[0])
    explained = tags.dl([[tags.dt(term), tags.dd(text)] for term, text in terms])
    return tags.header(
        tags.h1(tags.bdi(readable(title))),
        tags.p(tags.output(f"{len(cards)} image{'s' * (len(cards) != 1)}", id="count")),
        tags.details(tags.summary("What is what"), explained),
    )


def _controls(cards: Sequence[Card]) -> tags.section:
    """What needs the script, and is hidden until it runs."""
    known = {
        "name": True,
        "entropy": any(card.scene.entropy is not None for card in cards),
        "evenness": any(card.evenness is not None for card in cards),
        "age": any(card.scene.age is not None for card in cards),
        "visits": any(card.scene.visits is not None for card in cards),
    }
    groups = list(dict.fromkeys(card.scene.group for card in cards))
    controls = tags.section(id="controls", aria_label="controls", hidden=True)
    compared = {thumbnail.role for card in cards for thumbnail in card.thumbnails if thumbnail.over}
    if compared:
        slider = tags.input_(type="range", id="overlay", min="0", max="100", value="0")
        controls.add(tags.label(OUTPUT if OUTPUT in compared else INPUT, slider, "overlay"))
    options = [tags.option(text, value=key) for key, text in _SORTS.items() if known[key]]
    controls.add(tags.label("sort by", tags.select(options, id="sort")))
    if len(groups) > 1:
        shown = [tags.option("all", value="*"), *(tags.option(group, value=group) for group in groups)]
        controls.add(tags.label("show", tags.select(shown, id="group")))
    controls.add(tags.label("find", tags.input_(type="search", id="find")))
    controls.add(tags.button("dark or light", type="button", id="theme"), tags.button("keys", type="button", id="keys"))
    return controls


def _article(card: Card, folder: Path) -> tags.article:
    scene, name = card.scene, readable(card.scene.name)
    heading = tags.h2(tags.bdi(name))
    if scene.group:
        heading.add(" ", tags.small(scene.group))
    facts = {
        "map entropy": None if scene.entropy is None else f"{scene.entropy:.3f}",
        "picture evenness": None if card.evenness is None else f"{card.evenness:.3f}",
        "visits": scene.visits,
        "epochs since last visit": scene.age,
    }
    said = " · ".join(f"{label} {value}" for label, value in facts.items() if value is not None)
    article = tags.article(heading, tabindex=-1, data_group=scene.group)
    if said:
        article.add(tags.p(said, cls="facts"))
    numbers = {"entropy": scene.entropy, "evenness": card.evenness, "visits": scene.visits, "age": scene.age}
    for key, value in numbers.items():
        if value is not None:
            article[f"data-{key}"] = f"{value:.6g}"
    article.add(tags.div([_figure(shot, name, folder, scene.placeholder) for shot in card.thumbnails], cls="pictures"))
    if card.epochs:
        article.add(_strip(card, name, folder))
    return article


def _strip(card: Card, name: str, folder: Path) -> tags.ol:
    items = []
    for epoch, shots in card.epochs:
        label = f"epoch {readable(epoch)}" if epoch.isdecimal() else readable(epoch)
        pictures = [_picture(shot.file, f"{shot.role} of {name}, {label}", shot.size) for shot in shots]
        items.append(tags.li(pictures, tags.span(label)))
    return tags.ol(items, cls="epochs", tabindex=0, aria_label=f"epochs of {name}")


def _figure(shot: Thumbnail, name: str, folder: Path, placeholder: bool) -> tags.figure:
    role = readable(shot.role)
    shown = _picture(shot.file, f"{role} of {name}", shot.size)
    if shot.over:
        over = _picture(shot.over, f"{ATTENTION} over the {role} of {name}", shot.size, cls="over")
        shown = tags.div(shown, over, cls="stack")
    if shot.full is not None:
        shown = tags.a(shown, href=_address(shot.full, folder))
    return tags.figure(shown, tags.figcaption(f"{role} (placeholder)" if placeholder and role == ATTENTION else role))


def _picture(file: str, alt: str, size: tuple[int, int], **more: str) -> tags.img:
    return tags.img(src=file, alt=alt, width=size[0], height=size[1], loading="lazy", decoding="async", **more)


def _address(path: Path, folder: Path) -> str:
    relative = os.path.relpath(path.parent.resolve() / path.name, folder)
    return quote(os.fsencode(relative.replace(os.sep, "/")))


def _help() -> tags.html_tag:
    keys = tags.dl([[tags.dt(key), tags.dd(text)] for key, text in _KEYS.items()])
    switch = tags.label(tags.input_(type="checkbox", id="listen", checked=True), " listen to single keys")
    form = tags.form(tags.button("close"), method="dialog")
    title = tags.h2("Keys", id="keys-title")
    dialog = tags.html_tag(title, keys, switch, form, id="help", aria_labelledby="keys-title")
    dialog.tagname = "dialog"  # which dominate lacks
    return dialog
