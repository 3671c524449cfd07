"""A page of labelled images that needs nothing from the network."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import dominate
from dominate import tags
from dominate.util import raw

from .util import mkdirs

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; border-top: 1px solid #8886; padding-top: .75rem; overflow-wrap: anywhere; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; }
figure { margin: 0; }
figure img { display: block; max-width: 100%; height: auto; border-radius: 3px; }
figcaption { font: .85rem ui-monospace, monospace; opacity: .8; }
"""


class HTML:
    """A web page under construction.

    Args:
        web_dir: Folder of the page. Its images go into `images/` below it.
        title: Title and first heading.
        refresh: Seconds after which a browser loads the page again; 0 means never.
    """

    def __init__(self, web_dir: str | Path, title: str, refresh: int = 0) -> None:
        self.web_dir = Path(web_dir)
        self.img_dir = self.web_dir / "images"
        mkdirs(self.img_dir)
        self.doc = dominate.document(title=title, lang="en")
        with self.doc.head:
            tags.meta(charset="utf-8")
            tags.meta(name="viewport", content="width=device-width, initial-scale=1")
            if refresh > 0:
                tags.meta(http_equiv="refresh", content=str(refresh))
            tags.style(raw(STYLE))
        self.doc.add(tags.h1(title))

    def get_image_dir(self) -> Path:
        """Folder that the page's images have to be written to."""
        return self.img_dir

    def add_header(self, text: str) -> None:
        """Start a new section."""
        self.doc.add(tags.h2(text))

    def add_images(self, ims: list[str], txts: list[str], links: list[str], width: int = 256) -> None:
        """Add one row of images.

        Args:
            ims: File names in the image folder.
            txts: A label for each.
            links: File names that a click opens.
            width: Shown width in pixels.
        """
        row = self.doc.add(tags.div(cls="row"))
        for image, text, link in zip(ims, txts, links, strict=True):
            picture = tags.img(src=f"images/{quote(image)}", alt=text, width=width, loading="lazy")
            row.add(tags.figure(tags.a(picture, href=f"images/{quote(link)}"), tags.figcaption(text)))

    def save(self) -> Path:
        """Write `index.html` and return its path."""
        path = self.web_dir / "index.html"
        path.write_text(self.doc.render(), encoding="utf-8")
        return path
