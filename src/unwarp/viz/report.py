"""One HTML file that shows a run: no script, nothing loaded from elsewhere, readable on dark and light screens."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

from unwarp._whole_file import write_whole
from unwarp.errors import OptionError


@dataclass(frozen=True)
class Table:
    """Rows of text.

    Attributes:
        header: one cell a column; cells after the first column are set as numbers.
        rows: as many cells each.
        caption: under the table.
        highlight: index of a row to set in bold.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    highlight: int | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise OptionError(f"rows: expected {len(self.header)} cells as in the header, got {list(row)}.")


@dataclass(frozen=True)
class Picture:
    """A PNG, for example from `encode_png`, with a text for those who cannot see it."""

    png: bytes
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Code:
    """Text to copy as it stands."""

    text: str


Block: TypeAlias = str | Table | Picture | Code
"""What a section holds; plain text is a paragraph."""


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    heading: str
    blocks: Sequence[Block]


def render_report(title: str, sections: Sequence[Section], *, summary: str = "", footer: str = "") -> str:
    """Render a report as one HTML page.

    All texts are plain text: what looks like markup is shown, not interpreted.

    Args:
        title: heading of the page.
        sections: in reading order.
        summary: the result in a sentence, under the title.
        footer: for example versions and machine.

    Returns:
        The page.
    """
    return (
        files("unwarp.viz")
        .joinpath("report.html")
        .read_text("utf-8")
        .format(
            title=escape(title),
            summary=escape(summary),
            sections="\n".join(_section(section) for section in sections),
            footer=escape(footer),
        )
    )


def write_report(
    path: Path | str, title: str, sections: Sequence[Section], *, summary: str = "", footer: str = ""
) -> Path:
    """Write `render_report` to a file; folders that are missing are made.

    Returns:
        The path written.

    Raises:
        OSError: the file cannot be written.
    """
    page = render_report(title, sections, summary=summary, footer=footer)
    # File names need not be UTF-8; what of them is not is written as an escape.
    return write_whole(Path(path), page.encode("utf-8", "backslashreplace"))


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f"<section>\n<h2>{escape(section.heading)}</h2>\n{blocks}\n</section>"


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Picture():
            return _picture(block)
        case Code():
            return f"<pre><code>{escape(block.text)}</code></pre>"
        case _:
            return f"<p>{escape(block)}</p>"


def _table(table: Table) -> str:
    header = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    rows = "\n".join(_row(row, bold=index == table.highlight) for index, row in enumerate(table.rows))
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    return (
        f'<div class="wide"><table>{caption}<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def _row(cells: Sequence[str], *, bold: bool) -> str:
    head, *rest = cells
    body = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
    return f'<tr{" class=highlight" if bold else ""}><th scope="row">{escape(head)}</th>{body}</tr>'


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>" if picture.caption else ""
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escape(picture.alt)}">{caption}</figure>'
