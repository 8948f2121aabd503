"""Counts the parametrised cases of a run, so that cases that silently go missing are seen."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import pytest

PARAMETERS = ("family", "transform", "kernel", "mode", "padding", "padding_mode", "ndim", "backend")


class CaseCounts:
    """A pytest plugin: prints, for each parameter that we care about, how often each value ran."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._parameters: dict[str, dict[str, object]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember the parameters of each case: a report knows nothing but its node id."""
        self._parameters = {item.nodeid: item.callspec.params for item in session.items if hasattr(item, "callspec")}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the cases whose body ran to its end: what was skipped covers nothing."""
        if report.when == "call" and not report.skipped:
            self.count(self._parameters.get(report.nodeid, {}))

    def count(self, parameters: dict[str, object]) -> None:
        """Count one case under each parameter that we care about."""
        for name in PARAMETERS:
            if name in parameters:
                self._counts[name][label(parameters[name])] += 1

    def lines(self) -> Iterator[str]:
        """One line a parameter: its values, most frequent first, with their counts."""
        for name in PARAMETERS:
            if name in self._counts:
                yield f"{name}: {', '.join(f'{value} {n}' for value, n in self._counts[name].most_common())}"

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
