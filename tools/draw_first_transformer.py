"""Draw the picture of the first tutorial by running the tutorial: ``python tools/draw_first_transformer.py``."""

import re
import shutil
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def main() -> None:
    """Run every block of the page, then keep the figure that it saved."""
    page = (DOCS / "tutorials" / "first-transformer.md").read_text(encoding="utf-8")
    exec("\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)), {})
    shutil.move("first-transformer.png", DOCS / "images" / "first-transformer.png")


if __name__ == "__main__":
    main()
