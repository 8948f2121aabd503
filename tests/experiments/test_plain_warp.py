import json

import numpy as np
import pytest
from PIL import Image

from unwarp.data.picture import read_picture
from unwarp.errors import DataError, OptionError
from unwarp.experiments.plain_warp import WarpRequest, warp_file

cv2 = pytest.importorskip("cv2")
RANDOM = np.random.default_rng(0)


@pytest.fixture
def path(tmp_path):
    smooth = cv2.GaussianBlur(RANDOM.integers(0, 255, (50, 70, 3), dtype=np.uint8), (0, 0), 2)
    Image.fromarray(smooth).save(tmp_path / "in.png")
    return tmp_path / "in.png"


def warped(path, request, **options):
    options = {"mode": "bilinear", "antialias": False, "force": True} | options
    return read_picture(warp_file(path, path.with_name("out.png"), request, **options)).pixels.astype(int)


def test_rotation_is_anticlockwise_about_the_centre(path):
    quarter = warped(path, WarpRequest(rotate=90.0), size=(70, 50))
    np.testing.assert_array_equal(quarter, np.rot90(read_picture(path).pixels))


@pytest.mark.parametrize("size", [None, (40, 90)])
def test_pixel_matrices_are_those_of_opencv(path, size):
    source = read_picture(path).pixels
    height, width = size or source.shape[:2]
    affine = np.array([[0.9, 0.2, 3.0], [-0.1, 1.1, 4.0]])
    theirs = cv2.warpAffine(source, affine, (width, height), flags=cv2.INTER_LINEAR)
    ours = warped(path, WarpRequest(affine=" ".join(map(str, affine.flatten()))), size=size)
    assert np.abs(ours - theirs)[2:-2, 2:-2].max() <= 4  # OpenCV rounds positions to 1/32 pixel
    matrix = np.array([[0.9, 0.2, 3.0], [-0.1, 1.1, 4.0], [0.001, -0.002, 1.0]])
    theirs = cv2.warpPerspective(source, matrix, (width, height), flags=cv2.INTER_LINEAR)
    ours = warped(path, WarpRequest(homography=",".join(map(str, matrix.flatten()))), size=size)
    assert np.abs(ours - theirs)[2:-2, 2:-2].mean() < 1


def test_thetas_are_those_of_the_table(path):
    flip = warped(path, WarpRequest(affine="-1 0 0 0 1 0", units="theta"))
    np.testing.assert_array_equal(flip, read_picture(path).pixels[:, ::-1])
    same = warped(path, WarpRequest(homography="1 0 0 0 1 0 0 0", units="theta"))
    np.testing.assert_array_equal(same, read_picture(path).pixels)


def test_a_spline_brings_its_input_points_to_its_output_points(tmp_path):
    black = np.zeros((60, 60, 1), np.uint8)
    black[20:23, 30:33] = 255
    Image.fromarray(black[..., 0]).save(tmp_path / "in.png")
    corners = [[0, 0], [59, 0], [0, 59], [59, 59]]
    points = {"input": [[31, 21], *corners], "output": [[40, 35], *corners]}
    (tmp_path / "points.json").write_text(json.dumps(points))
    moved = warped(tmp_path / "in.png", WarpRequest(tps=tmp_path / "points.json"))[..., 0]
    y, x = np.unravel_index(moved.argmax(), moved.shape)
    assert abs(x - 40) <= 1
    assert abs(y - 35) <= 1


def test_shrinking_is_filtered_unless_told_otherwise(path):
    noise = RANDOM.integers(0, 2, (256, 256), dtype=np.uint8) * 255
    Image.fromarray(noise).save(path)
    filtered, aliased = (
        warped(path, WarpRequest(affine="1 0 0 0 1 0", units="theta"), size=(32, 32), antialias=on)
        for on in (True, False)
    )
    assert filtered.std() < 0.4 * aliased.std()


def test_an_existing_file_is_replaced_by_force_alone(path):
    warp_file(path, path.with_name("out.png"), WarpRequest(rotate=1.0))
    with pytest.raises(OptionError, match="--force"):
        warp_file(path, path.with_name("out.png"), WarpRequest(rotate=1.0))


def test_a_format_that_cannot_hold_the_picture_is_refused(path):
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(path)
    with pytest.raises(OptionError, match="cannot hold this picture. Use .*out.png"):
        warp_file(path, path.with_name("out.jpg"), WarpRequest(rotate=1.0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "got none"),
        ({"rotate": 1.0, "affine": "1"}, "got --rotate and --affine"),
        ({"affine": "1 0 0"}, "--affine: expected 6 numbers"),
        ({"homography": "1 0 0 0 1 0 0 0 0", "units": "theta"}, "--homography: expected a ninth number .* got 0"),
        ({"homography": "1 0 0 0 1 0 0 0 1e-320", "units": "theta"}, "--homography: expected a ninth number"),
        ({"homography": "1 0 0 0 1 0 0 0 0"}, "can be inverted"),
        ({"homography": "1 0 0 0 1 0 0 0 x"}, "--homography: expected 9 numbers"),
        ({"affine": "1 2 0 2 4 0"}, "can be inverted"),
        ({"rotate": float("nan")}, "--rotate: expected degrees, got nan"),
        ({"rotate": 1.0, "units": "metre"}, "--units: expected one of pixel, theta"),
    ],
)
def test_wrong_requests_are_named(path, wrong, message):
    with pytest.raises(OptionError, match=message):
        warped(path, WarpRequest(**wrong))


NOT_FINITE = '{"input": [[0, NaN], [1, 0], [0, 1]], "output": [[0, 0], [1, 0], [0, 1]]}'


@pytest.mark.parametrize(
    "text", [NOT_FINITE, "{}", "[1]", '{"input": [[1, 2]], "output": [[1, 2], [3, 4]]}', "no json"]
)
def test_wrong_points_are_named(path, text):
    path.with_suffix(".json").write_text(text)
    with pytest.raises(DataError, match="in.json: expected"):
        warped(path, WarpRequest(tps=path.with_suffix(".json")))


def test_a_pixel_homography_may_end_in_zero(path):
    """OpenCV has it too: the first pixel goes to infinity, the others do not."""
    numbers = "1 0 1 0 1 0 0.1 0 0"
    expected = warped(path, WarpRequest(homography=" ".join(f"{3 * float(number)}" for number in numbers.split())))
    np.testing.assert_array_equal(warped(path, WarpRequest(homography=numbers)), expected)
