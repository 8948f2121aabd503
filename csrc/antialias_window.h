// The kernel around a sample of an anti-aliased image: which pixels it reaches. They form a parallelogram: for each row of
// the image a run of consecutive pixels, along which both distances k is evaluated at are linear. So a run is a loop over
// vectors without a gather. Included by one translation unit for each instruction set.
#pragma once

#include "antialias.h"
#include "antialias_weights.h"
#include "stretch.h"

namespace unwarp {
namespace {

// Where index j of an axis of n pixels reads, under any padding; `zeros` asks before.
inline int64_t mapped(int64_t j, int64_t n, Padding padding, bool align_corners) {
  if (j >= 0 && j < n) return j;
  if (padding != Padding::reflection && padding != Padding::circular) return j < 0 ? 0 : n - 1;
  int64_t mirror = align_corners ? 2 * n - 2 : 2 * n - 1;
  int64_t period = padding == Padding::circular ? n : align_corners ? larger<int64_t>(1, 2 * n - 2) : 2 * n;
  j %= period;
  if (j < 0) j += period;
  return j < n ? j : mirror - j;
}

// One axis of a sample's position, moved by whole pixels to near the image: what lies further out repeats or is alike.
inline double nearby(double x, int64_t n, double reach, const Antialias& p) {
  double low = -(reach + 2), high = static_cast<double>(n - 1) + reach + 2;
  if (x >= low && x <= high) return x;
  bool periodic = p.padding == Padding::reflection || p.padding == Padding::circular;
  if (!periodic) return x < low ? x + __builtin_floor(low - x) : x - __builtin_floor(x - high);
  int64_t pixels = p.padding == Padding::circular ? n : p.align_corners ? larger<int64_t>(1, 2 * n - 2) : 2 * n;
  double period = static_cast<double>(pixels);
  return x - __builtin_floor(x / period) * period;
}

// What there is to do for a sample.
enum class Sample { undefined, filled, sampled };

template <class A, Kernel K> class Footprints {
 protected:
  using Vector = Real<A>;
  static constexpr int lanes = Lanes<A>::count;
  static constexpr double support = Weights<A, K>::support;
  static constexpr double largest_position = 1 << 30;

  const Antialias& p;
  const Weights<A, K> weigh;

  explicit Footprints(const Antialias& problem) : p(problem), weigh(problem.cubic_a) {}

  // The kernel around one sample.
  struct Window {
    double x, y;
    Symmetric stretch, inverse;
    bool free_x, free_y;                 // whether the position is none of those that are moved to the largest one
    double reach_x, reach_y;             // of the whole parallelogram
    double drift, half;                  // a row's run by the first distance: its middle against y, half its length
    double slanted_drift, slanted_half;  // and by the second, where that limits it
    Vector ramp_u, ramp_v, step_u, step_v;  // along a run: within a vector, and from one to the next
    bool pair;                           // the longest runs take two vectors
  };

  // Calls `f(window, t, point)` for samples [begin, end), before the window is placed.
  template <class F> UNWARP_INLINE void each_sample(int64_t begin, int64_t end, F f) const {
    Window window{};
    int64_t shaped = -1;  // the Jacobian the window has its shape from
    int64_t t = begin / p.points, point = begin % p.points;
    for (int64_t sample = begin; sample < end; ++sample) {
      int64_t which = p.matrix ? t : sample;
      if (which != shaped) shape(window, which);
      shaped = which;
      f(window, t, point);
      if (++point == p.points) {
        point = 0;
        ++t;
      }
    }
  }

  const A* image_of(int64_t t) const { return static_cast<const A*>(p.image) + t * p.images / p.warps * p.image_stride; }

  void shape(Window& w, int64_t which) const {
    const A* given = p.matrix ? static_cast<const A*>(p.matrix) + 6 * which : static_cast<const A*>(p.jacobian) + 4 * which;
    int row = p.matrix ? 3 : 2;
    double jacobian[4] = {static_cast<double>(given[0]), static_cast<double>(given[1]), static_cast<double>(given[row]),
                          static_cast<double>(given[row + 1])};
    Symmetric s = unwarp::stretch(jacobian, p.limit);
    w.stretch = s;
    w.inverse = unwarp::inverse(s);
    w.reach_x = support * (s.xx + __builtin_fabs(s.xy));
    w.reach_y = support * (s.yy + __builtin_fabs(s.xy));
    w.drift = w.inverse.xy / w.inverse.xx;
    w.half = support / w.inverse.xx;
    bool slanted = __builtin_fabs(w.inverse.xy) > 1e-9 * w.inverse.xx;
    w.slanted_drift = slanted ? w.inverse.yy / w.inverse.xy : 0;
    w.slanted_half = slanted ? support / __builtin_fabs(w.inverse.xy) : 2 * w.reach_x + 4;
    double longest = 2 * (w.half < w.slanted_half ? w.half : w.slanted_half) + 1;
    w.pair = loads_by_weight && longest > lanes && longest < 2 * lanes;
    w.ramp_u = ramp<A>() * static_cast<A>(w.inverse.xx);
    w.ramp_v = ramp<A>() * static_cast<A>(w.inverse.xy);
    w.step_u = splat<A>(static_cast<A>(w.inverse.xx * lanes));
    w.step_v = splat<A>(static_cast<A>(w.inverse.xy * lanes));
  }

  // Not fused into a following sum: as the reference rounds, so that both see a sample on one side of the image's edge.
  static A rounded(A product) {
    volatile A kept = product;
    return kept;
  }

  void position(int64_t t, int64_t point, A& x, A& y) const {
    if (p.matrix) {
      const A* m = static_cast<const A*>(p.matrix) + 6 * t;
      int64_t row = point / p.out_width;
      A right = static_cast<A>(point - row * p.out_width) - static_cast<A>(p.out_width - 1) / 2;
      A down = static_cast<A>(row) - static_cast<A>(p.points / p.out_width - 1) / 2;
      x = rounded(m[0] * right) + rounded(m[1] * down) + m[2];
      y = rounded(m[3] * right) + rounded(m[4] * down) + m[5];
    } else {
      const A* centred = static_cast<const A*>(p.positions) + 2 * (t * p.points + point);
      x = centred[0];
      y = centred[1];
    }
    x += static_cast<A>(p.width - 1) / 2;
    y += static_cast<A>(p.height - 1) / 2;
  }

  // Puts the window around a sample.
  Sample place(Window& w, int64_t t, int64_t point) const {
    A x, y;
    position(t, point, x, y);
    if (undefined(x) || undefined(y)) return Sample::undefined;
    if (p.fill && !(inside(x, p.width) && inside(y, p.height))) return Sample::filled;
    double given_x = static_cast<double>(x), given_y = static_cast<double>(y);
    double near_x = clamped(given_x, -largest_position, largest_position), near_y = clamped(given_y, -largest_position, largest_position);
    w.free_x = near_x == given_x;
    w.free_y = near_y == given_y;
    w.x = nearby(near_x, p.width, w.reach_x, p);
    w.y = nearby(near_y, p.height, w.reach_y, p);
    return Sample::sampled;
  }

  bool undefined(A x) const {
    if (p.padding != Padding::reflection && p.padding != Padding::circular) return x != x;
    return !(x <= A(largest_position) && x >= A(-largest_position));
  }

  bool inside(A x, int64_t n) const {
    A margin = p.align_corners ? A(0) : A(0.5);
    return x >= -margin && x <= static_cast<A>(n - 1) + margin;
  }

  // The runs of as many rows as a vector has lanes.
  struct Runs {
    alignas(64) Index<A> start[lanes], count[lanes];  // counted from the pixel at or before the sample
    alignas(64) A u[lanes], v[lanes];                 // distances k is evaluated at, at the start
  };

  // `below`: of the sample from the first row, `ahead`: from the pixel at or before it.
  UNWARP_INLINE void find(Runs& runs, const Window& w, A below, A ahead) const {
    Vector down = below - ramp<A>();
    Vector middle = ahead + static_cast<A>(w.drift) * down, slanted = ahead + static_cast<A>(w.slanted_drift) * down;
    A half = static_cast<A>(w.half), slanted_half = static_cast<A>(w.slanted_half);
    Vector low = most<A>(middle - half, slanted - slanted_half), high = least<A>(middle + half, slanted + slanted_half);
    low = least<A>(low, middle + (half + 1));  // where there are none the bounds may be any numbers
    high = most<A>(high, middle - (half + 1));
    Indices<A> start = __builtin_convertvector(low, Indices<A>), last = __builtin_convertvector(high, Indices<A>);
    start -= __builtin_convertvector(start, Vector) < low;
    last += __builtin_convertvector(last, Vector) > high;
    Vector left = ahead - __builtin_convertvector(start, Vector);
    put(runs.start, start);
    put(runs.count, last - start + 1);
    put(runs.u, static_cast<A>(w.inverse.xx) * left + static_cast<A>(w.inverse.xy) * down);
    put(runs.v, static_cast<A>(w.inverse.xy) * left + static_cast<A>(w.inverse.yy) * down);
  }

  int64_t first_row(const Window& w) const { return static_cast<int64_t>(__builtin_ceil(w.y - w.reach_y)); }
  int64_t end_row(const Window& w) const { return static_cast<int64_t>(__builtin_floor(w.y + w.reach_y)) + 1; }

  // Whether all that the kernel reaches lies within the image.
  bool whole(const Window& w) const {
    double margin = w.reach_x + 2;
    return first_row(w) >= 0 && end_row(w) <= p.height && w.x - margin >= 0 && w.x + margin <= static_cast<double>(p.width - 1);
  }
};

}  // namespace
}  // namespace unwarp
