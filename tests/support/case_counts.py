"""Counts the parametrised cases of a run, so that cases that silently go missing are seen."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import pytest

PARAMETERS = ("family", "transform", "kernel", "mode", "padding", "padding_mode", "ndim", "backend")
PROPERTY = "parameters"
NOTE = "note"
"""`record_property(NOTE, line)`: a line to print with the counts, for cases that run in a process of their own."""


class CaseCounts:
    """A pytest plugin: prints, for each parameter that we care about, how often each value ran."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._notes: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Write the parameters of each case into what its report carries, also from a worker process."""
        for item in items:
            if hasattr(item, "callspec"):
                parameters = {name: label(value) for name, value in item.callspec.params.items() if name in PARAMETERS}
                item.user_properties.append((PROPERTY, parameters))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the cases whose body ran to its end: what was skipped covers nothing."""
        if report.when == "call" and not report.skipped:
            self.count(dict(report.user_properties).get(PROPERTY, {}))
            self._notes += [str(value) for name, value in report.user_properties if name == NOTE]

    def count(self, parameters: dict[str, str]) -> None:
        """Count one case under each of its parameters."""
        for name, value in parameters.items():
            self._counts[name][value] += 1

    def lines(self) -> Iterator[str]:
        """One line a parameter: its values, most frequent first, with their counts."""
        for name in PARAMETERS:
            if name in self._counts:
                yield f"{name}: {', '.join(f'{value} {n}' for value, n in self._counts[name].most_common())}"
        yield from self._notes

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the counts."""
        write_section(terminalreporter, "cases that ran", self.lines())


def write_section(terminal: pytest.TerminalReporter, title: str, lines: Iterable[str]) -> None:
    """Print a titled section, unless it is empty."""
    lines = list(lines)
    if lines:
        terminal.section(title)
    for line in lines:
        terminal.write_line(line)


def label(value: object) -> str:
    """A short name of a parameter's value: itself if plain, else its class."""
    return str(value) if isinstance(value, str | int | float | bool) or value is None else type(value).__name__
