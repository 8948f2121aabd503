import base64
import os
from html.parser import HTMLParser

import pytest
import torch

from unwarp import viz
from unwarp.errors import OptionError
from unwarp.viz import Code, Picture, Section, Table

NASTY = """<script>alert("1")</script> & 'x' {title}"""


class Page(HTMLParser):
    """Elements with their attributes, and the text that a reader sees."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def tags(self):
        return [tag for tag, _ in self.elements]


@pytest.fixture
def png():
    return viz.encode_png(viz.show_image(torch.eye(4)).figure, dpi=30)


def report(png, text="plain"):
    table = Table([text, "error (%)"], [[text, text], ["ST-CNN", "2.10"]], caption=text, highlight=1)
    blocks = [text, table, Picture(png, alt=text, caption=text), Code(text)]
    return viz.render_report(text, [Section(text, blocks)], summary=text, footer=text)


def test_holds_every_block_in_order(png):
    tags = Page(report(png)).tags()
    order = [tags.index(tag) for tag in ("h1", "h2", "table", "img", "pre", "footer")]
    assert order == sorted(order)


def test_text_is_shown_and_never_interpreted(png):
    page = Page(report(png, NASTY))
    assert "script" not in page.tags()
    # Title twice, summary, heading, paragraph, header, two cells, table caption, picture caption, code, footer.
    assert page.text.count(NASTY) == 12
    assert [attributes["alt"] for tag, attributes in page.elements if tag == "img"] == [NASTY]


def test_loads_nothing_from_elsewhere(png):
    page = report(png)
    assert "http" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert not {"script", "link", "iframe", "object"} & set(Page(page).tags())


def test_the_picture_is_inside_the_page(png):
    (source,) = [attributes["src"] for tag, attributes in Page(report(png)).elements if tag == "img"]
    kind, data = source.split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == png


def test_the_highlighted_row_is_the_one_that_was_named(png):
    rows = [attributes for tag, attributes in Page(report(png)).elements if tag == "tr"]
    assert rows == [{}, {}, {"class": "highlight"}]


def test_follows_the_reader_s_colour_scheme(png):
    assert "prefers-color-scheme: dark" in report(png)


def test_refuses_a_row_that_does_not_fit_the_header():
    with pytest.raises(OptionError, match="rows: expected 2 cells as in the header, got"):
        Table(["model", "error"], [["CNN", "1", "2"]])


def test_writes_utf_8_into_a_folder_that_is_missing(tmp_path):
    path = viz.write_report(tmp_path / "run" / "report.html", "Zahlen ± 数字", [])
    assert "<h1>Zahlen ± 数字</h1>" in path.read_text("utf-8")


def test_a_name_that_is_no_utf8_is_escaped_and_loses_no_report(tmp_path):
    path = viz.write_report(tmp_path / "report.html", os.fsdecode(b"caf\xe9 & co"), [])
    assert "caf\\udce9 &amp; co" in path.read_text(encoding="utf-8")
