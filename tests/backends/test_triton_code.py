"""The kernels as code for a GPU: they compile for one, and torch.compile sees them. Needs no GPU."""

import re
import subprocess
from pathlib import Path

import pytest
import torch

from unwarp import kernels, padding
from unwarp.backends import Sampling
from unwarp.backends.triton import Triton

triton = pytest.importorskip("triton")
from triton.backends.compiler import GPUTarget  # noqa: E402

from support.field_cases import field_case  # noqa: E402
from unwarp.backends.triton import autotune, field, launch, ops, problem  # noqa: E402

HOPPER = GPUTarget("cuda", 90, 32)
NAMES = {torch.float32: "fp32", torch.float64: "fp64", torch.bfloat16: "bf16", torch.int64: "i64", torch.int8: "i8"}

pytestmark = pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION")


class Compiled:
    """Stands in for `wrap_triton`: compiles what would be launched, with the arguments' own types."""

    def __init__(self):
        self.code = []

    def __call__(self, kernel):
        self.kernel = kernel
        return self

    def __getitem__(self, grid):
        return self.compile

    def compile(self, *arguments, **constants):
        names = [parameter.name for parameter in self.kernel.params]
        given = dict(zip(names, arguments, strict=False)) | constants
        ones = {name: 1 for name, value in given.items() if name not in constants and type(value) is int and value == 1}
        constants |= ones
        signature = {name: "constexpr" if name in constants else type_name(given[name]) for name in names}
        aligned = {
            (i,): [["tt.divisibility", 16]]
            for i, name in enumerate(names)
            if signature[name][0] == "*" or (signature[name] == "i32" and given[name] % 16 == 0)
        }
        source = triton.compiler.ASTSource(self.kernel, signature, constants, attrs=aligned)
        self.code.append(triton.compile(source, target=HOPPER).asm)


def type_name(value):
    if isinstance(value, torch.Tensor):
        return f"*{NAMES[value.dtype]}"
    return "fp32" if isinstance(value, float) else "i64" if value >= 2**31 else "i32"


def stack_bytes(cubin, folder):
    path = folder / "kernel.cubin"
    path.write_bytes(cubin)
    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    usage = subprocess.run([tool, "-res-usage", path], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"STACK:(\d+)", usage)[1])


@pytest.fixture
def compiled(monkeypatch):
    recorder = Compiled()
    monkeypatch.setattr(launch, "wrap_triton", recorder)
    monkeypatch.setattr(field, "wrap_triton", recorder)
    return recorder


def example(kind, *, channels=3, dtype=torch.float32, points=torch.float32, last=False, rows=2):
    image = torch.zeros(2, channels, 48, 64, dtype=dtype)
    image = image.to(memory_format=torch.channels_last) if last else image
    if kind == "basis":
        theta, basis = torch.zeros(2, 16, 2, dtype=points), torch.zeros(48 * 64, 16, dtype=points)
        return image, problem.Points(problem.BASIS, theta, (48, 64), (1.0, 1.0), basis)
    if kind == "grid":
        return image, problem.Points(problem.GRID, torch.zeros(2, 48, 64, 2, dtype=points), (48, 64), (1.0, 1.0))
    return image, problem.Points(problem.MATRIX, torch.eye(rows, 3, dtype=points).repeat(2, 1, 1), (48, 64), ())


def options(padding=0):
    return problem.Options(1, 0.0, padding, None, False)


def has_atomics(code):
    return re.search(r"\b(atom|red)\.", code["ptx"]) is not None


@pytest.mark.parametrize("rows", [2, 3], ids=["affine", "projective"])
@pytest.mark.parametrize(("padding_mode", "count"), [("zeros", 2), ("border", 3), ("fill", 2)])
def test_matrices_collect_the_images_gradient_without_atomics(padding_mode, count, rows, compiled):
    image, points = example("matrix", rows=rows)
    how = options(padding.MODES.index(padding_mode))
    launch.run_backward(image, image, points, how, image_needed=True, theta_needed=True)
    assert len(compiled.code) == count
    assert not any(map(has_atomics, compiled.code))


@pytest.mark.parametrize("padding_mode", ["reflection", "circular"])
def test_what_repeats_is_collected_too_and_only_what_reaches_far_scattered(padding_mode, compiled):
    image, points = example("matrix")
    how = options(padding.MODES.index(padding_mode))
    launch.run_backward(image, image, points, how, image_needed=True, theta_needed=True)
    assert [has_atomics(code) for code in compiled.code] == [False, True]


def test_other_maps_scatter_it(compiled):
    image, points = example("basis")
    launch.run_backward(image, image, points, options(1), image_needed=True, theta_needed=True)
    (code,) = compiled.code
    assert "global.add.f32" in code["ptx"].replace(".gpu", "").replace(".relaxed", "")


def test_deterministic_sums_are_in_integers(compiled):
    torch.use_deterministic_algorithms(True)
    try:
        image, points = example("grid")
        launch.run_backward(image, image, points, options(), image_needed=True, theta_needed=False)
    finally:
        torch.use_deterministic_algorithms(False)
    assert "global.add.u64" in compiled.code[0]["ptx"].replace(".gpu", "").replace(".relaxed", "")


def test_channels_last_moves_sixteen_bytes_at_a_time(compiled):
    image, points = example("matrix", channels=64, last=True)
    launch.run_forward(image, points, options())
    ptx = compiled.code[0]["ptx"]
    assert ptx.count("ld.global.v4") >= 4
    assert "st.global.v4" in ptx


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("kind", "rows", "padding_mode"),
    [
        ("matrix", 2, "zeros"),
        ("matrix", 3, "zeros"),
        ("matrix", 2, "border"),
        ("matrix", 3, "border"),
        ("matrix", 2, "reflection"),
        ("basis", 0, "zeros"),
    ],
)
def test_registers_suffice(kind, rows, padding_mode, last, compiled, tmp_path):
    """What does not fit the registers goes through memory, many times slower: a word or two at most."""
    image, points = example(kind, channels=64 if last else 3, last=last, rows=rows)
    how = options(padding.MODES.index(padding_mode))
    launch.run_forward(image, points, how)
    launch.run_backward(image, image, points, how, image_needed=True, theta_needed=True)
    assert max(stack_bytes(code["cubin"], tmp_path) for code in compiled.code) <= 16


@pytest.mark.parametrize(("ndim", "dtype"), [(1, torch.float64), (2, torch.float32), (3, torch.float32)])
def test_particles(ndim, dtype, compiled, tmp_path):
    velocities, points, *rest = field_case(ndim, dtype=dtype)
    field.follow_field(velocities, points, *rest)
    field.follow_field_backward(points, velocities, points, *rest, True, True)
    assert [has_atomics(code) for code in compiled.code] == [False, True]
    assert max(stack_bytes(code["cubin"], tmp_path) for code in compiled.code) == 0


def test_no_atomics_for_the_gradient_of_points_alone(compiled):
    velocities, points, *rest = field_case(2, dtype=torch.float32)
    field.follow_field_backward(points, velocities, points, *rest, False, True)
    assert not has_atomics(compiled.code[0])


@pytest.mark.parametrize(("dtype", "points"), [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)])
def test_dtypes(dtype, points, compiled):
    image, where = example("matrix", dtype=dtype, points=points)
    launch.run_forward(image, where, options(2))
    assert ("f64" in compiled.code[0]["ptx"]) == (points == torch.float64)


def test_offsets_of_64_bits_where_32_do_not_reach(compiled, monkeypatch):
    image, points = example("matrix")
    launch.run_forward(image, points, options())
    monkeypatch.setattr(problem, "_WIDE", 1000)
    launch.run_forward(image, points, options())
    narrow, wide = (code["ttir"].count("extsi") for code in compiled.code)
    assert wide > narrow


@pytest.mark.parametrize("kind", ["forward", "gather", "scatter"])
def test_tiles_measured_on_a_gpu(kind, compiled, monkeypatch):
    """What autotuning would launch there: every candidate is code of its own, the winner runs last."""
    tried, cases = [], []

    def choose(case, candidates, run):
        cases.append(case)
        tried.extend(candidates())
        for tile in tried:
            run(tile)
        return tried[1]

    monkeypatch.setattr(autotune, "applies", lambda image: True)
    monkeypatch.setattr(autotune, "choose", choose)
    image, points = example("matrix", channels=2)
    if kind == "forward":
        launch.run_forward(image, points, options())
    else:
        wanted = {"image_needed": kind == "gather", "theta_needed": kind == "scatter"}
        launch.run_backward(image, image, points, options(), **wanted)
    assert len(tried) == len({code["ttir"] for code in compiled.code}) == len(compiled.code) - 1
    assert compiled.code[-1]["ttir"] == compiled.code[1]["ttir"]
    assert cases[0][0] == kind
    assert hash(cases[0])


def test_cases_differ_where_kernels_do(compiled, monkeypatch):
    cases = []
    monkeypatch.setattr(autotune, "applies", lambda image: True)
    monkeypatch.setattr(autotune, "choose", lambda case, candidates, run: cases.append(case) or candidates()[0])
    monkeypatch.setattr(launch, "wrap_triton", lambda kernel: Nothing())
    for kind in ("matrix", "grid", "basis"):
        for dtype in (torch.float32, torch.bfloat16):
            for mode in (0, 1):
                for last in (False, True):
                    image, points = example(kind, channels=4, dtype=dtype, last=last)
                    launch.run_forward(image, points, options(mode))
    assert len(cases) == len(set(cases)) == 24
    image, points = example("matrix", channels=4)
    launch.run_forward(image[:1], points, options())
    assert cases[-1] == cases[0]


class Nothing:
    """Stands in for a kernel that nobody waits for."""

    def __getitem__(self, grid):
        return lambda *arguments, **constants: None


class Driver:
    """Tells torch which GPU to think of."""

    def get_current_target(self):
        return HOPPER


@pytest.mark.parametrize(("padding_mode", "launches"), [("zeros", 2), ("border", 3), ("circular", 2)])
def test_torch_compile_sees_the_kernels(padding_mode, launches, monkeypatch):
    from functorch.compile import make_boxed_func
    from torch._dynamo.backends.common import aot_autograd

    monkeypatch.setattr(triton.runtime.driver, "_active", Driver())
    graphs = []
    how = Sampling(kernels.resolve("bilinear"), padding_mode)

    def record(graph, inputs):
        graphs.append([str(node.target) for node in graph.graph.nodes])
        shapes = [node.meta["val"].shape for node in graph.graph.output_node().args[0]]
        return make_boxed_func(lambda *given: [torch.zeros(shape) for shape in shapes])

    run_now = []
    monkeypatch.setattr(autotune, "applies", lambda image: run_now.append(autotune.runs_now(image)))

    def warp(image, matrix):
        return Triton().warp_matrix(image, matrix, (5, 6), how)

    assert ops.NAMESPACE in str(torch.ops.unwarp_triton.warp_matrix.default)
    torch.compiler.reset()
    image, matrix = torch.zeros(2, 3, 8, 9, requires_grad=True), torch.eye(2, 3).repeat(4, 1, 1).requires_grad_()
    torch.compile(warp, backend=aot_autograd(fw_compiler=record), fullgraph=True)(image, matrix).sum().backward()
    torch.compiler.reset()
    assert len(run_now) >= 2
    assert not any(run_now), "tiles must not be measured while torch traces"
    seen = [sum("triton_kernel_wrapper" in target for target in graph) for graph in graphs]
    assert seen == [1, launches]
    assert not any("clone" in target for graph in graphs for target in graph)


def test_torch_compile_sees_the_particles(monkeypatch):
    from functorch.compile import make_boxed_func
    from torch._dynamo.backends.common import aot_autograd

    monkeypatch.setattr(triton.runtime.driver, "_active", Driver())
    graphs = []

    def record(graph, inputs):
        graphs.append([str(node.target) for node in graph.graph.nodes])
        shapes = [node.meta["val"].shape for node in graph.graph.output_node().args[0]]
        return make_boxed_func(lambda *given: [torch.zeros(shape) for shape in shapes])

    velocities, points, boxes, stages = field_case(2, dtype=torch.float32, count=5)

    def follow(velocities, points):
        return torch.ops.unwarp_triton.follow_field(velocities, points, boxes, stages)

    torch.compiler.reset()
    given = velocities.requires_grad_(), points.requires_grad_()
    torch.compile(follow, backend=aot_autograd(fw_compiler=record), fullgraph=True)(*given).sum().backward()
    torch.compiler.reset()
    assert [sum("triton_kernel_wrapper" in target for target in graph) for graph in graphs] == [1, 1]
