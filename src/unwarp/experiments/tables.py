"""The tables of the paper: which experiment stands in which row and column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from unwarp._checks import nearest_names, option
from unwarp.errors import OptionError
from unwarp.experiments.catalog import CATALOG

__all__ = ["TABLES", "TableLayout", "layout"]


@dataclass(frozen=True)
class TableLayout:
    """Rows are networks, columns are tasks; a cell is the experiment ``task/network``.

    Attributes:
        title: what the table shows.
        columns: heading -> first part of the experiment's name.
        rows: heading -> second part of the experiment's name.
        without: experiments of the catalogue that would have a cell but have none.
        quantity: what a figure is, with its unit.
        larger_is_better: whether a figure is a share of right answers instead of wrong ones.
        kept: name of a section, see `unwarp.experiments.table_files.section_name` -> how many of its runs have their
            weights beside their records, at least; none for the others.
    """

    title: str
    columns: dict[str, str]
    rows: dict[str, str]
    without: frozenset[str] = frozenset()
    quantity: str = "test error (%)"
    larger_is_better: bool = False
    kept: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def names(self) -> list[str]:
        """The experiments, row by row."""
        return [name for row in self.rows for column in self.columns if (name := self.name(row, column))]

    def name(self, row: str, column: str) -> str | None:
        """The experiment of a cell, or nothing where the table has no cell."""
        name = f"{self.columns[column]}/{self.rows[row]}"
        return name if name in CATALOG and name not in self.without else None

    def matching(self, patterns: list[str]) -> list[str]:
        """The experiments that fit one of the patterns, in the patterns' order; all without a pattern.

        Args:
            patterns: names, or parts of them with ``*`` and ``?`` as in a shell.

        Raises:
            OptionError: a pattern fits none.
        """
        names = self.names
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise OptionError(
                    f"only: expected a name or pattern of the table's experiments, got {pattern!r}, which fits none."
                    f"{nearest_names(pattern, names)} It has {', '.join(self.columns.values())}, with "
                    f"{', '.join(self.rows.values())}."
                )
        found = (name for pattern in patterns or ["*"] for name in names if fnmatchcase(name, pattern))
        return list(dict.fromkeys(found))


_TRANSFORMS = {"affine": "affine", "projective": "projective", "TPS": "tps"}
_NETWORKS = {
    "FCN": "fcn",
    "CNN": "cnn",
    **{f"ST-FCN {heading}": f"st-fcn-{name}" for heading, name in _TRANSFORMS.items()},
    **{f"ST-CNN {heading}": f"st-cnn-{name}" for heading, name in _TRANSFORMS.items()},
}

TABLES: dict[str, TableLayout] = {
    "1": TableLayout(
        "Distorted MNIST",
        columns={"R": "mnist-r", "RTS": "mnist-rts", "P": "mnist-p", "E": "mnist-e", "TC": "mnist-tc"},
        rows=_NETWORKS,
        # The paper gives one ST-FCN and one ST-CNN on TC.
        without=frozenset(f"mnist-tc/st-{kind}-{name}" for kind in ("fcn", "cnn") for name in ("projective", "tps")),
        kept={"1 standard": 3},
    ),
    "addition": TableLayout(
        "MNIST addition",
        columns={"addition": "mnist-addition"},
        rows={
            "FCN": "fcn",
            "CNN": "cnn",
            **{f"ST-FCN {heading}": f"st-fcn-{name}" for heading, name in _TRANSFORMS.items()},
            **{f"2xST-FCN {heading}": f"2xst-fcn-{name}" for heading, name in _TRANSFORMS.items()},
        },
    ),
    "colocalisation": TableLayout(
        "Co-localisation",
        columns={"T": "mnist-t84", "TC": "mnist-tc84"},
        rows={"attention": "co-localiser"},
        quantity="digits found (%)",
        larger_is_better=True,
    ),
    "volumes": TableLayout(
        "Digits in volumes",
        columns={"60 x 60 x 60": "mnist-3d"},
        rows={"3D CNN": "cnn", "3D ST-CNN affine": "st-cnn-affine"},
    ),
    "beyond": TableLayout(
        "Beyond the paper",
        columns={
            "R": "mnist-r",
            "RTS": "mnist-rts",
            "P": "mnist-p",
            "E": "mnist-e",
            "TC": "mnist-tc",
            "sequences": "mnist-sequences",
        },
        rows={
            "CNN": "cnn",
            "ST-CNN affine": "st-cnn-affine",
            "ST-CNN projective": "st-cnn-projective",
            "ST-CNN TPS": "st-cnn-tps",
            "ST-CNN diffeomorphic": "st-cnn-diffeomorphic",
            "IC-ST-CNN affine": "ic-st-cnn-affine",
            "IC-ST-CNN projective": "ic-st-cnn-projective",
            "shared ST-CNN affine": "shared-st-cnn-affine",
            "recurrent ST-CNN affine": "recurrent-st-cnn-affine",
        },
    ),
}
"""Name on the command line -> the table."""


def layout(name: str) -> TableLayout:
    """Look a table up.

    Raises:
        OptionError: there is none of that name; the message names the nearest.
    """
    option("table", name, tuple(TABLES))
    return TABLES[name]
