"""Power series in time: the way of particles within their simplices, and when they leave them.

Within a simplex v(x) = A x + b, and the way is x(t) = x + sum_k t^k A^(k-1) v(x) / k!. A series is a tuple of blocks,
its lowest coefficient first. See `unwarp.transforms.trajectory`.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false, reportOperatorIssue=false

import triton
import triton.language as tl

from unwarp.backends.triton.mesh import locate
from unwarp.transforms import trajectory

SEARCH_TERMS = tl.constexpr(trajectory.SEARCH_TERMS)
ITERATIONS = tl.constexpr(trajectory.ITERATIONS)
TURN_ITERATIONS = tl.constexpr(trajectory.TURN_ITERATIONS)


@triton.jit
def value(series, t, N: tl.constexpr):
    """The first ``N`` terms at a time, by Horner's rule."""
    total = series[N - 1]
    for i in tl.static_range(1, N):
        total = total * t + series[N - 1 - i]
    return total


@triton.jit
def slope(series, t, N: tl.constexpr):
    """The derivative of the first ``N`` terms."""
    total = series[N - 1] * (N - 1)
    for i in tl.static_range(1, N - 1):
        total = total * t + series[N - 1 - i] * (N - 1 - i)
    return total


@triton.jit
def bend(series, t, N: tl.constexpr):
    """The second derivative of the first ``N`` terms."""
    total = series[N - 1] * ((N - 1) * (N - 2))
    for i in tl.static_range(1, N - 2):
        total = total * t + series[N - 1 - i] * ((N - 1 - i) * (N - 2 - i))
    return total


@triton.jit
def steep(slope):
    """A slope to divide by: tiny ones are replaced."""
    return tl.where(tl.abs(slope) < 1e-9, -1.0, slope)


@triton.jit
def expand(velocities, x, BOXES: tl.constexpr, TERMS: tl.constexpr, D: tl.constexpr):
    """The field around particles: their simplex, A (``row * D + column``) and their way (``term * D + axis``).

    Coefficient ``term`` of the way belongs to ``t ** (term + 1)``; the first is the velocity.
    """
    nodes, weights, slopes = locate(x, BOXES, D)
    way = ()
    matrix = ()
    for axis in tl.static_range(D):
        velocity = tl.zeros_like(x[0])
        row = ()
        for _ in tl.static_range(D):
            row = row + (tl.zeros_like(x[0]),)
        for node in tl.static_range(D + 1):
            corner = tl.load(velocities + nodes[node] * D + axis)
            velocity += weights[node] * corner
            updated = ()
            for other in tl.static_range(D):
                updated = updated + (row[other] + corner * slopes[node * D + other],)
            row = updated
        way = way + (velocity,)
        matrix = matrix + row
    for term in tl.static_range(1, TERMS):
        for axis in tl.static_range(D):
            total = tl.zeros_like(x[0])
            for other in tl.static_range(D):
                total += matrix[axis * D + other] * way[(term - 1) * D + other]
            way = way + (total * (1.0 / (term + 1)),)
    return nodes, weights, slopes, matrix, way


@triton.jit
def vector_value(series, t, COUNT: tl.constexpr, D: tl.constexpr):
    """A series of vectors (``term * D + axis``) at a time."""
    result = ()
    for axis in tl.static_range(D):
        total = series[(COUNT - 1) * D + axis]
        for i in tl.static_range(1, COUNT):
            total = total * t + series[(COUNT - 1 - i) * D + axis]
        result = result + (total,)
    return result


@triton.jit
def displacement(way, t, TERMS: tl.constexpr, D: tl.constexpr):
    """By how much particles move until a time."""
    mean_velocity = vector_value(way, t, TERMS, D)
    moved = ()
    for axis in tl.static_range(D):
        moved = moved + (mean_velocity[axis] * t,)
    return moved


@triton.jit
def weight_series(weight, normal, way, TERMS: tl.constexpr, D: tl.constexpr):
    """A barycentric weight as a series, from its value and its slopes."""
    series = (weight,)
    for term in tl.static_range(TERMS):
        total = tl.zeros_like(weight)
        for axis in tl.static_range(D):
            total += normal[axis] * way[term * D + axis]
        series = series + (total,)
    return series


@triton.jit
def normal_of(face, slopes, D: tl.constexpr):
    """The slopes of each particle's weight number ``face``; 0 for no face."""
    normal = ()
    for axis in tl.static_range(D):
        chosen = tl.zeros_like(slopes[0])
        for node in tl.static_range(D + 1):
            chosen = tl.where(face == node, slopes[node * D + axis], chosen)
        normal = normal + (chosen,)
    return normal


@triton.jit
def lowest(series, end):
    """When a series is lowest: in between if it falls first and rises later (a particle may leave and come back)."""
    falls = -series[1]
    rises = slope(series, end, SEARCH_TERMS)
    turns = (falls > 0) & (rises > 0)
    t = end * falls / tl.where(turns, falls + rises, 1.0)
    for _ in tl.static_range(TURN_ITERATIONS):
        t -= slope(series, t, SEARCH_TERMS) / steep(bend(series, t, SEARCH_TERMS))
        t = tl.minimum(tl.maximum(t, 0.0), end)
    return tl.where(turns, t, end)


@triton.jit
def root(series, late):
    """The first time before ``late``, where the series is negative, at which it is zero."""
    early = tl.zeros_like(late)
    straight = series[0] / -steep(series[1])
    t = tl.where((straight > 0) & (straight < late), straight, late)
    for _ in tl.static_range(ITERATIONS):
        here = value(series, t, SEARCH_TERMS)
        early = tl.where(here > 0, t, early)
        late = tl.where(here > 0, late, t)
        newton = t - here / steep(slope(series, t, SEARCH_TERMS))
        t = tl.where((newton >= early) & (newton <= late), newton, (early + late) / 2)
    return t


@triton.jit
def time_in_simplex(
    weights, slopes, matrix, way, left, may_leave, BEYOND: tl.constexpr, TERMS: tl.constexpr, D: tl.constexpr
):
    """Until particles leave, their time is over, or the series would need more terms; and the face they leave through.

    The face is the number of the node opposite to it, or -1.
    """
    rate = tl.zeros_like(left)
    for axis in tl.static_range(D):
        row = tl.zeros_like(left)
        for other in tl.static_range(D):
            row += tl.abs(matrix[axis * D + other])
        rate = tl.maximum(rate, row)
    longest = tl.minimum(left, 1.0 / tl.maximum(rate, 1e-3))
    found = longest
    face = tl.zeros_like(left).to(tl.int32) - 1
    for node in tl.static_range(D + 1):
        normal = ()
        for axis in tl.static_range(D):
            normal = normal + (slopes[node * D + axis],)
        series = weight_series(weights[node] + BEYOND, normal, way, TERMS, D)
        late = lowest(series, longest)
        leaves = value(series, late, TERMS + 1) < 0
        t = root(series, late)
        first = leaves & (t < found) & may_leave
        found = tl.where(first, t, found)
        face = tl.where(first, node, face)
    start = tl.zeros_like(left)
    for node in tl.static_range(D + 1):
        start = tl.where(face == node, weights[node] + BEYOND, start)
    crossed = weight_series(start, normal_of(face, slopes, D), way, TERMS, D)
    exact = found - value(crossed, found, TERMS + 1) / steep(slope(crossed, found, TERMS + 1))
    trusted = (found < longest) & (exact > 0) & (exact < longest)
    return tl.where(trusted, exact, found), tl.where(trusted, face, -1)
