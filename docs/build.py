"""``make docs``: README.md, docs/*.md and a reference made of the package's docstrings, as HTML in build/docs.

The pages stay plain Markdown that GitHub shows as it is; what only Sphinx understands is added to copies of them.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

import guidegan_plugin
from guidegan_plugin import errors

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "guidegan_plugin"

# What a plugin's author implements, subclasses or is handed.
FOR_PLUGINS = ["plugins.hookspecs", "guidance.attention.post_hoc", "guidance.concatenation.base"]
FOR_PLUGINS += [
    "guidance.concatenation.transfer",
    "guidance.reports",
    "plugins.host",
    "plugins.monitor",
    "utils.progress",
]

CONFIG = {
    "project": PACKAGE,
    "extensions": ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"],
    "html_theme": "furo",
    "html_title": PACKAGE,
    "html_copy_source": False,
    "myst_heading_anchors": 4,
    "autodoc_member_order": "bysource",
    "autodoc_default_options": {"members": True, "show-inheritance": True},
    "napoleon_use_ivar": True,  # attributes stand with their class; autodoc would describe each a second time
    "python_use_unqualified_type_names": True,
}


def rooms() -> dict[str, list[str]]:
    """Modules by the room whose page they stand on; those whose name begins with an underscore are nobody's."""
    found = {"Errors": ["errors"], "For plugins": FOR_PLUGINS}
    for room in ("evaluation", "datasets", "monitors"):
        folder = ROOT / PACKAGE / room
        packages = [path.parent for path in folder.glob("*/__init__.py")]
        modules = sorted(path.stem for path in [*folder.glob("[!_]*.py"), *packages])
        if modules:
            found[room.capitalize()] = [f"{room}.{module}" for module in modules]
    return found


def write_sources(folder: Path) -> None:
    """Copy the pages, with links that lead to pages, and add the first page and the reference."""
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for page in folder.glob("*.md"):
        page.write_text(with_links(page.read_text(), ROOT / "docs"))
    contents = "```{toctree}\n:hidden:\n:glob:\n\n*\nresults/*/*\nreference/public\nreference/*\n```\n"
    (folder / "index.md").write_text(f"{with_links((ROOT / 'README.md').read_text(), ROOT)}\n{contents}")
    (folder / "reference").mkdir()
    public = f"The public face\n===============\n\n.. automodule:: {PACKAGE}\n   :imported-members:\n"
    public += f"   :exclude-members: {', '.join(vars(errors))}\n"  # they have a page of their own
    (folder / "reference" / "public.rst").write_text(public)
    for title, modules in rooms().items():
        parts = [f"{title}\n{'=' * len(title)}"]
        for name in (f"{PACKAGE}.{module}" for module in modules):
            # A public class stands on the first page alone, because one with two places cannot be referred to.
            elsewhere = "" if title == "Errors" else f"\n   :exclude-members: {', '.join(public_classes())}"
            parts.append(f"{name}\n{'-' * len(name)}\n\n.. automodule:: {name}{elsewhere}")
        (folder / "reference" / f"{title.lower().replace(' ', '_')}.rst").write_text("\n\n".join(parts) + "\n")


def public_classes() -> list[str]:
    """Names of the classes of the public face."""
    return [name for name in guidegan_plugin.__all__ if isinstance(getattr(guidegan_plugin, name), type)]


def with_links(markdown: str, folder: Path) -> str:
    """A page whose links lead to other pages; of links to the repository's files their text stays.

    Args:
        markdown: The page.
        folder: Where it stands in the repository.
    """

    def follow(link: re.Match[str]) -> str:
        text, target, anchor = link.groups(default="")
        path = (folder / target).resolve()
        if path == ROOT / "README.md":
            return f"{text}(index.md{anchor})"
        inside = path.is_relative_to(ROOT / "docs")
        return f"{text}({path.relative_to(ROOT / 'docs').as_posix()}{anchor})" if inside else text.strip("[]")

    return re.sub(r"(\[[^\]]*\])\(([^)#:\s]+)(#[^)]*)?\)", follow, markdown)


def main(build: Path = ROOT / "build") -> int:
    """Build; a warning is an error.

    Args:
        build: Where the folder ``docs`` is made, and what it is made of.

    Returns:
        The exit code.
    """
    sources, pages = build / "docs-sources", build / "docs"
    for former in (sources, pages):
        shutil.rmtree(former, ignore_errors=True)
    write_sources(sources)
    app = Sphinx(
        sources, None, pages, build / "doctrees", "html", CONFIG, status=None, freshenv=True, warningiserror=True
    )
    app.build()
    return app.statuscode


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
