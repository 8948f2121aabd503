"""What mkdocs does beside its plugins: exported names, formulas as MathML, no links to files that are not on the site.

MathML needs no script in the page and nothing from another server: the browser sets the formula itself.
"""

import html
import posixpath
import re
from importlib import import_module

from latex2mathml.converter import convert
from mkdocs.structure.pages import Page

_FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)
_EXPORTS = re.compile(r"^\{exports of ([\w.]+)\}$", re.MULTILINE)
_HAN = "[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
_BROKEN_LINE = re.compile(rf"(?<={_HAN})\n(?={_HAN})")
_THEIR_WORKER, _OUR_WORKER = "https://unpkg.com/iframe-worker/shim", "assets/folder_worker.js"
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """List what packages export, and leave the words of a link into the repository, without the link."""
    folder = posixpath.dirname(page.file.src_uri)

    def replaced(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        leaves = not re.match(r"[a-z]+:", target) and posixpath.normpath(posixpath.join(folder, target)).startswith(
            ".."
        )
        return text if leaves else match[0]

    # Chinese has no spaces: the one that a browser makes of a line break would show.
    markdown = _BROKEN_LINE.sub("", markdown)
    return _LINK.sub(replaced, _EXPORTS.sub(lambda match: exports(match[1]), markdown))


def exports(package: str) -> str:
    """A line for mkdocstrings for each class and function in a package's ``__all__``: ``{exports of unwarp.nn}``."""
    module = import_module(package)
    return "\n\n".join(f"::: {package}.{name}" for name in module.__all__ if callable(getattr(module, name)))


def on_page_content(content: str, **_: object) -> str:
    """Turn formulas into MathML."""
    return _FORMULA.sub(_mathml, content)


def _mathml(match: re.Match[str]) -> str:
    display = "block" if match[3] is not None else "inline"
    return convert(html.unescape(match[2] or match[3]).strip(), display=display)


def on_post_page(output: str, *, page: Page, **_: object) -> str:
    """Search in pages from a folder needs a script that the theme would fetch from another server: ours instead."""
    ours = posixpath.relpath(_OUR_WORKER, posixpath.dirname(page.file.dest_uri) or ".")
    return output.replace(_THEIR_WORKER, ours)


def on_post_template(output_content: str, **_: object) -> str:
    """The same in the page for what is not found, which lies at the top."""
    return output_content.replace(_THEIR_WORKER, "/" + _OUR_WORKER)
