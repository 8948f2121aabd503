"""A record of a run."""

from unwarp.experiments.records import Record

RECORD = Record(
    name="mnist-rts/cnn",
    label="standard",
    seed=3,
    test_error=0.81,
    validation_error=0.7,
    parameters=5,
    seconds=1.5,
    finished="2026-01-01T00:00:00+00:00",
    commit=None,
    precision={"dtype": "float32"},
    config={"data": {"distortion": "rts"}},
    machine={"cores": 2},
    versions={"torch": "2"},
    history=[{"epoch": 1, "val_error": 0.7}],
)
