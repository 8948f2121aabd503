import pytest

from unwarp.errors import OptionError
from unwarp.experiments.config import ExperimentConfig

CNN = {"data": {"distortion": "rts"}, "model": {"network": "cnn", "width": 64}}


def test_values_read_back():
    config = ExperimentConfig.read(CNN, ["training.lr=0.1", "data.source=packaged"])
    assert ExperimentConfig.read(config.values()) == config
    assert (config.training.lr, config.data.source) == (0.1, "packaged")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("training.epoch=3", "Did you mean 'training.epochs'"),
        ("trainin.epochs=3", "Did you mean 'training'"),
        ("epochs=3", "there is no such setting"),
        ("training.epochs=0", "training.epochs: expected at least 1, got 0"),
        ("training.epochs=many", "training.epochs: expected int, got 'many'"),
        ("training.lr=0", "training.lr: expected a positive number"),
        (f"training.lr={10**400}", "training.lr: expected a finite number"),
        ("training.lr=inf", "training.lr: expected a finite number"),
        ("training.clip=inf", "training.clip: expected a finite number"),
        ("training.lr=nan", "training.lr: expected a positive number"),
        ("training.clip=-1", "training.clip: expected at least 0"),
        ("training.label_smoothing=1", "training.label_smoothing: expected a share, 0 to below 1, got 1"),
        ("training.warmup=2", "training.warmup: expected a share"),
        ("training.recipe=published", "no label smoothing and one rate"),
        ("training.precision=half", "expected one of auto, float32, bfloat16, got 'half'"),
        ("data.distortion=rst", "Did you mean 'rts'"),
        ("data.bend=-0.1", "data.bend: expected at least 0"),
        ("data.batch_size=0", "data.batch_size: expected at least 1"),
        ("data.validation=-5", "data.validation: expected at least 1"),
        ("model.network=st-cnn", "and a transform for other networks, got 'none'"),
        ("model.transform=affine", "expected none for fcn, cnn, cnn-3d, sequence-cnn, crnn and a transform"),
        ("model.transform=afine", "Did you mean 'affine'"),
        ("model.pooling=2", "model.pooling: expected 1 for cnn"),
        ("model.output=28", "model.output: expected 0 for cnn"),
        ("model.width=0", "model.width: expected at least 1"),
        ("model.control=1", "model.control: expected at least 2"),
        ("model.width=1000000000", "model.width: expected 1 to 4096, got 1000000000"),
        (f"training.epochs={10**23}", "training.epochs: expected 1 to 1000000, got 1" + 23 * "0"),
        (f"training.steps={10**23}", "training.steps: expected 0 to 1000000000"),
        (f"data.batch_size={10**23}", "data.batch_size: expected 1 to 1048576"),
    ],
)
def test_refuses(assignment, message):
    with pytest.raises(OptionError) as raised:
        ExperimentConfig.read(CNN, [assignment])
    assert message in str(raised.value)
