"""What mkdocs does beside its plugins: formulas as MathML, and no links to files that are not on the site.

MathML needs no script in the page and nothing from another server: the browser sets the formula itself.
"""

import html
import posixpath
import re

from latex2mathml.converter import convert
from mkdocs.structure.pages import Page

_FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\((.*?)\\\)|\\\[(.*?)\\\])</\1>', re.DOTALL)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Page, **_: object) -> str:
    """Leave the words of a link into the repository, without the link."""
    folder = posixpath.dirname(page.file.src_uri)

    def replaced(match: re.Match[str]) -> str:
        text, target = match[1], match[2]
        leaves = not re.match(r"[a-z]+:", target) and posixpath.normpath(posixpath.join(folder, target)).startswith(
            ".."
        )
        return text if leaves else match[0]

    return _LINK.sub(replaced, markdown)


def on_page_content(content: str, **_: object) -> str:
    """Turn formulas into MathML."""
    return _FORMULA.sub(_mathml, content)


def _mathml(match: re.Match[str]) -> str:
    display = "block" if match[3] is not None else "inline"
    return convert(html.unescape(match[2] or match[3]).strip(), display=display)
