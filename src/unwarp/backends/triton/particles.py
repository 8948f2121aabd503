"""Particles in a continuous piecewise-affine field, and the adjoint of their way: `unwarp.transforms.trajectory`.

A program follows a block of particles of one batch until the last has arrived. On the way back the gradient l of a
position obeys dl/dt = -A' l, and that of a corner's velocity is the integral of l times the corner's weight, by Gauss's
rule, within rounding. Were the field followed to the very face, the time of crossing would not matter, the field being
continuous; a little behind it the velocities differ a little, and l changes by what that time is worth.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false, reportOperatorIssue=false

import numpy as np
import triton
import triton.language as tl

from unwarp.backends.triton.series import displacement, expand, normal_of, steep, time_in_simplex, vector_value


def _gauss(count):
    """Places and shares of Gauss's rule on 0..1."""
    places, shares = np.polynomial.legendre.leggauss(count)
    return ((1 + places) / 2).tolist(), (shares / 2).tolist()


GAUSS = {count: _gauss(count) for count in (5, 8)}


@triton.constexpr_function
def place(point, count):
    """Where in 0..1 Gauss's rule of ``count`` points looks."""
    return GAUSS[count][0][point]


@triton.constexpr_function
def share(point, count):
    """How much counts what it sees there."""
    return GAUSS[count][1][point]


@triton.jit
def load_points(pointer, number, exists, D: tl.constexpr):
    """A block of points, as a tuple of coordinates."""
    points = ()
    for axis in tl.static_range(D):
        points = points + (tl.load(pointer + number * D + axis, exists, 0.0),)
    return points


@triton.jit
def store_points(pointer, values, number, exists, D: tl.constexpr):
    """The reverse of `load_points`."""
    for axis in tl.static_range(D):
        tl.store(pointer + number * D + axis, values[axis], exists)


@triton.jit
def remember(row, x, time, face, D: tl.constexpr, BLOCK: tl.constexpr):
    """Keep a stage: where it started, how long it was, and the face it ended at."""
    for axis in tl.static_range(D):
        tl.store(row + axis * BLOCK, x[axis])
    tl.store(row + D * BLOCK, time)
    tl.store(row + (D + 1) * BLOCK, face.to(time.dtype))


@triton.jit
def recall(row, D: tl.constexpr, BLOCK: tl.constexpr):
    """What `remember` kept."""
    x = ()
    for axis in tl.static_range(D):
        x = x + (tl.load(row + axis * BLOCK),)
    return x, tl.load(row + D * BLOCK), tl.load(row + (D + 1) * BLOCK).to(tl.int32)


@triton.jit
def zeros(like, D: tl.constexpr):
    """A tuple of zeros."""
    result = ()
    for _ in tl.static_range(D):
        result = result + (tl.zeros_like(like),)
    return result


@triton.jit
def plus(a, b, D: tl.constexpr):
    """The sum of two tuples, component by component."""
    result = ()
    for axis in tl.static_range(D):
        result = result + (a[axis] + b[axis],)
    return result


@triton.jit
def minus(a, b, D: tl.constexpr):
    """Their difference."""
    result = ()
    for axis in tl.static_range(D):
        result = result + (a[axis] - b[axis],)
    return result


@triton.jit
def underway(left):
    """How many particles have time left."""
    return tl.sum((left > 0).to(tl.int32), 0)


@triton.jit
def follow(
    field,
    origin,
    exists,
    kept,
    stages,
    BOXES: tl.constexpr,
    BEYOND: tl.constexpr,
    TERMS: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    KEEP: tl.constexpr,
):
    """By how much a block of particles is moved in time 1, and in how many stages, which are kept if asked for."""
    moved = zeros(origin[0], D)
    left = tl.where(exists, 1.0, moved[0])
    stage = 0
    while (stage < stages) & (underway(left) > 0):
        x = plus(origin, moved, D)
        _, weights, slopes, matrix, way = expand(field, x, BOXES, TERMS, D)
        time, face = time_in_simplex(weights, slopes, matrix, way, left, stage + 1 < stages, BEYOND, TERMS, D)
        moved = plus(moved, displacement(way, time, TERMS, D), D)
        left -= time
        if KEEP:
            remember(kept + stage * (D + 2) * BLOCK, x, time, face, D, BLOCK)
        stage += 1
    return moved, stage


@triton.jit
def follow_kernel(
    velocities,
    start,
    moved_to,
    points,
    nodes,
    points_stride,
    blocks,
    stages,
    BOXES: tl.constexpr,
    BEYOND: tl.constexpr,
    TERMS: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """By how much the particles of one block are moved in time 1."""
    batch = (tl.program_id(0) // blocks).to(tl.int64)
    number = (tl.program_id(0) % blocks).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    exists = number < points
    origin = load_points(start + batch * points_stride, number, exists, D)
    field = velocities + batch * nodes * D
    moved, _ = follow(field, origin, exists, moved_to, stages, BOXES, BEYOND, TERMS, D, BLOCK, False)
    store_points(moved_to + batch * points * D, moved, number, exists, D)


@triton.jit
def crossed_face(
    matrix, slopes, way, time, face, gradient, worth_of_time, arrived, TERMS: tl.constexpr, D: tl.constexpr
):
    """The gradients at the end of a stage, where it is a face: changed by what a later moment of leaving is worth."""
    normal = normal_of(face, slopes, D)
    moved = displacement(way, time, TERMS, D)
    worth = tl.zeros_like(time)
    rate = tl.zeros_like(time)
    for axis in tl.static_range(D):
        velocity = way[axis]
        for other in tl.static_range(D):
            velocity += matrix[axis * D + other] * moved[other]
        worth += gradient[axis] * velocity
        rate += normal[axis] * velocity
    first = (time != 0) & (arrived == 0)
    worth_of_time = tl.where(first, worth, worth_of_time)
    arrived = tl.where(first, 1, arrived)
    change = tl.where(face >= 0, (worth_of_time - worth) / steep(rate), 0.0)
    changed = ()
    for axis in tl.static_range(D):
        changed = changed + (gradient[axis] + change * normal[axis],)
    return changed, worth_of_time, arrived


@triton.jit
def series_back(matrix, gradient, TERMS: tl.constexpr, D: tl.constexpr):
    """The gradient of a position as a series in the time before the end of the stage (``term * D + axis``)."""
    back = gradient
    for term in tl.static_range(1, TERMS + 1):
        for axis in tl.static_range(D):
            total = tl.zeros_like(gradient[0])
            for other in tl.static_range(D):
                total += matrix[other * D + axis] * back[(term - 1) * D + other]
            back = back + (total * (1.0 / term),)
    return back


@triton.jit
def add_to_corners(
    sums, nodes, weights, slopes, way, back, time, RULE: tl.constexpr, TERMS: tl.constexpr, D: tl.constexpr
):
    """The integral over a stage of the gradient times each corner's weight."""
    totals = zeros(time, (D + 1) * D)
    for point in tl.static_range(RULE):
        then = time * place(point, RULE)
        moved = displacement(way, then, TERMS, D)
        here = vector_value(back, time - then, TERMS + 1, D)
        updated = ()
        for node in tl.static_range(D + 1):
            weight = weights[node]
            for axis in tl.static_range(D):
                weight += slopes[node * D + axis] * moved[axis]
            weight *= time * share(point, RULE)
            for axis in tl.static_range(D):
                updated = updated + (totals[node * D + axis] + weight * here[axis],)
        totals = updated
    for node in tl.static_range(D + 1):
        for axis in tl.static_range(D):
            tl.atomic_add(sums + nodes[node] * D + axis, totals[node * D + axis], time != 0, sem="relaxed")


@triton.jit
def adjoint_kernel(
    upstream,
    velocities,
    start,
    grad_velocities,
    grad_start,
    kept,
    points,
    nodes,
    points_stride,
    blocks,
    tasks,
    stages,
    BOXES: tl.constexpr,
    BEYOND: tl.constexpr,
    RULE: tl.constexpr,
    TERMS: tl.constexpr,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
    VELOCITIES: tl.constexpr,
    START: tl.constexpr,
):
    """The gradients of velocities and starting points, one block after another.

    ``kept`` is memory of each program's own: where its particles were at the start of each stage, for how long, and
    through which face they left.
    """
    lane = tl.arange(0, BLOCK)
    kept += tl.program_id(0).to(tl.int64) * stages * (D + 2) * BLOCK
    for task in tl.range(tl.program_id(0), tasks, tl.num_programs(0)):
        batch = (task // blocks).to(tl.int64)
        number = (task % blocks).to(tl.int64) * BLOCK + lane
        exists = number < points
        field = velocities + batch * nodes * D
        origin = load_points(start + batch * points_stride, number, exists, D)
        _, stage = follow(field, origin, exists, kept + lane, stages, BOXES, BEYOND, TERMS, D, BLOCK, True)
        tl.debug_barrier()
        outer = load_points(upstream + batch * points * D, number, exists, D)
        gradient = outer
        worth = tl.zeros_like(outer[0])
        arrived = tl.zeros_like(lane)
        while stage > 0:
            stage -= 1
            x, time, face = recall(kept + stage * (D + 2) * BLOCK + lane, D, BLOCK)
            corners, weights, slopes, matrix, way = expand(field, x, BOXES, TERMS, D)
            gradient, worth, arrived = crossed_face(matrix, slopes, way, time, face, gradient, worth, arrived, TERMS, D)
            back = series_back(matrix, gradient, TERMS, D)
            gradient = vector_value(back, time, TERMS + 1, D)
            if VELOCITIES:
                sums = grad_velocities + batch * nodes * D
                add_to_corners(sums, corners, weights, slopes, way, back, time, RULE, TERMS, D)
        tl.debug_barrier()
        if START:
            store_points(grad_start + batch * points * D, minus(gradient, outer, D), number, exists, D)
