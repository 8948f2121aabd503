"""The JSON of a benchmark: what was measured, and of which commit and when."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unwarp.experiments import provenance


def write(folder: Path, benchmark: str, *, seed: int, **measured: Any) -> Path:  # noqa: ANN401 - whatever JSON can hold
    """Write ``folder/benchmark.json``, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{benchmark}.json"
    record = {
        "benchmark": benchmark,
        "commit": provenance.commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        **measured,
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return path
