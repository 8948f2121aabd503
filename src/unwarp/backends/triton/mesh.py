"""The mesh of simplices of `unwarp.transforms.tessellation`, and where in it a block of points lies.

A simplex is three tuples: its nodes' numbers in the lattice, their barycentric weights, and how these change with the
point, node by node. Axes are in x, y, z order.
"""
# pyright: basic, reportGeneralTypeIssues=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportIndexIssue=false, reportArgumentType=false, reportAssignmentType=false, reportOperatorIssue=false

import math

import triton
import triton.language as tl

from unwarp.transforms import tessellation

HALF_RING = tl.constexpr(tessellation.RING / 2)


@triton.constexpr_function
def constant(node, ndim):
    """A node's barycentric weight at the centre of the box."""
    return tessellation.CONSTANT[ndim][node]


@triton.constexpr_function
def linear(node, rank, ndim):
    """What the weight gains along the axis on which the point is ``rank``-farthest from the centre."""
    return tessellation.LINEAR[ndim][node][rank]


@triton.constexpr_function
def offset(node, rank, ndim):
    """Where the node lies on that axis, in half boxes from the centre."""
    return int(tessellation.OFFSET[ndim][node][rank])


@triton.constexpr_function
def line(index, boxes):
    """Where the boxes of the square begin and end."""
    return 2 * index / boxes - 1


@triton.constexpr_function
def stride(axis, boxes):
    """Nodes from one to the next along an axis."""
    return math.prod(2 * (n + 2) + 1 for n in boxes[:axis])


@triton.jit
def box_of(x, N: tl.constexpr):
    """The box along one axis, the step from its centre, and half its width. No position, not even NaN, has none."""
    index = tl.zeros_like(x).to(tl.int32)
    for i in tl.static_range(N + 1):
        index += (x >= line(i, N)).to(tl.int32)
    half = tl.zeros_like(x) + 1.0 / N
    centre = (2 * index - 1).to(x.dtype) * half - 1
    before = index == 0
    behind = index == N + 1
    centre = tl.where(before, -1 - HALF_RING, tl.where(behind, 1 + HALF_RING, centre))
    half = tl.where(before | behind, HALF_RING, half)
    return index, x - centre, half


@triton.jit
def ranks(distance, D: tl.constexpr):
    """Of each axis, how many are farther from the centre; among equals x is first."""
    result = ()
    for axis in tl.static_range(D):
        farther = tl.zeros_like(distance[axis]).to(tl.int32)
        for other in tl.static_range(D):
            if other < axis:
                farther += (distance[other] >= distance[axis]).to(tl.int32)
            if other > axis:
                farther += (distance[other] > distance[axis]).to(tl.int32)
        result = result + (farther,)
    return result


@triton.jit
def locate(x, BOXES: tl.constexpr, D: tl.constexpr):
    """The simplex of each point: nodes, weights, slopes (``node * D + axis``)."""
    index = ()
    step = ()
    half = ()
    distance = ()
    for axis in tl.static_range(D):
        number, away, width = box_of(x[axis], BOXES[axis])
        index = index + (number,)
        step = step + (away,)
        half = half + (width,)
        distance = distance + (tl.where(away == away, tl.abs(away / width), 0.0),)
    rank = ranks(distance, D)
    nodes = ()
    weights = ()
    slopes = ()
    for node in tl.static_range(D + 1):
        weight = tl.zeros_like(x[0]) + constant(node, D)
        number = tl.zeros_like(index[0])
        for axis in tl.static_range(D):
            slope = tl.zeros_like(x[0])
            place = tl.zeros_like(index[0])
            for k in tl.static_range(D):
                slope = tl.where(rank[axis] == k, linear(node, k, D), slope)
                place = tl.where(rank[axis] == k, offset(node, k, D), place)
            slope = tl.where(step[axis] < 0, -slope, slope) / half[axis]
            place = tl.where(step[axis] < 0, -place, place)
            slopes = slopes + (slope,)
            weight = weight + slope * step[axis]
            number += (2 * index[axis] + 1 + place) * stride(axis, BOXES)
        nodes = nodes + (number,)
        weights = weights + (weight,)
    return nodes, weights, slopes
