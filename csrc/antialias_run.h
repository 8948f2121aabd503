// Anti-aliased sampling. The pixels that one sample reads form a parallelogram: for each row of the image a run of
// consecutive pixels, along which both distances k is evaluated at are linear. So a run is a loop over vectors without a
// gather. Included by one translation unit for each instruction set.
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

template <class A, Kernel K> class Antialiaser {
  using Vector = Real<A>;
  static constexpr int lanes = Lanes<A>::count;
  static constexpr double support = Weights<A, K>::support;
  static constexpr double largest_position = 1 << 30;

  const Antialias& p;
  const Weights<A, K> weigh;

  // The kernel around one sample.
  struct Window {
    double x, y;
    Symmetric inverse;
    double reach_x, reach_y;             // of the whole parallelogram
    double drift, half;                  // a row's run by the first distance: its middle against y, half its length
    double slanted_drift, slanted_half;  // and by the second, where that limits it
    Vector ramp_u, ramp_v, step_u, step_v;  // along a run: within a vector, and from one to the next
    bool pair;                           // the longest runs take two vectors
  };

 public:
  explicit Antialiaser(const Antialias& problem) : p(problem), weigh(problem.cubic_a) {}

  void run(int64_t begin, int64_t end) const {
    Window window{};
    int64_t shaped = -1;  // the Jacobian the window has its shape from
    int64_t t = begin / p.points, point = begin % p.points;
    const A* image = image_of(t);
    for (int64_t sample = begin; sample < end; ++sample) {
      int64_t which = p.matrix ? t : sample;
      if (which != shaped) shape(window, which);
      shaped = which;
      place(window, image, t, point);
      if (++point == p.points) {
        point = 0;
        image = image_of(++t);
      }
    }
  }

 private:
  const A* image_of(int64_t t) const { return static_cast<const A*>(p.image) + t * p.images / p.warps * p.image_stride; }

  void shape(Window& w, int64_t which) const {
    const A* given = p.matrix ? static_cast<const A*>(p.matrix) + 6 * which : static_cast<const A*>(p.jacobian) + 4 * which;
    int row = p.matrix ? 3 : 2;
    double jacobian[4] = {static_cast<double>(given[0]), static_cast<double>(given[1]), static_cast<double>(given[row]),
                          static_cast<double>(given[row + 1])};
    Symmetric s = stretch(jacobian, p.limit);
    w.inverse = inverse(s);
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

  void place(Window& w, const A* image, int64_t t, int64_t point) const {
    A x, y;
    position(t, point, x, y);
    A* out = static_cast<A*>(p.output) + t * p.channels * p.points + point;
    if (undefined(x) || undefined(y)) return set(out, A(__builtin_nan("")));
    if (p.fill && !(inside(x, p.width) && inside(y, p.height))) {
      for (int64_t c = 0; c < p.channels; ++c) out[c * p.points] = static_cast<const A*>(p.fill)[c];
      return;
    }
    w.x = nearby(clamped(static_cast<double>(x), -largest_position, largest_position), p.width, w.reach_x, p);
    w.y = nearby(clamped(static_cast<double>(y), -largest_position, largest_position), p.height, w.reach_y, p);
    int64_t c = 0;
    for (; c + 4 <= p.channels; c += 4) blend<4>(w, image, out, c);
    if (p.channels - c == 3) blend<3>(w, image, out, c);
    else if (p.channels - c == 2) blend<2>(w, image, out, c);
    else if (p.channels - c == 1) blend<1>(w, image, out, c);
  }

  void set(A* out, A value) const {
    for (int64_t c = 0; c < p.channels; ++c) out[c * p.points] = value;
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

  // C channels from c on.
  template <int C> void blend(const Window& w, const A* image, A* out, int64_t c) const {
    int64_t first = static_cast<int64_t>(__builtin_ceil(w.y - w.reach_y));
    int64_t end = static_cast<int64_t>(__builtin_floor(w.y + w.reach_y)) + 1;
    double margin = w.reach_x + 2;
    bool whole = first >= 0 && end <= p.height && w.x - margin >= 0 && w.x + margin <= static_cast<double>(p.width - 1);
    const A* pixels = image + c * p.width * p.height;
    Vector sum[C] = {}, total{};
    if (whole) add_rows<C, true>(w, first, end, pixels, sum, total);
    else add_rows<C, false>(w, first, end, pixels, sum, total);
    A weight = sum_lanes<A>(total);
    for (int i = 0; i < C; ++i) out[(c + i) * p.points] = sum_lanes<A>(sum[i]) / (weight == 0 ? A(1) : weight);
  }

  // The rows from first to end; `whole`: all that the kernel reaches lies within the image.
  template <int C, bool whole>
  UNWARP_INLINE void add_rows(const Window& w, int64_t first, int64_t end, const A* pixels, Vector (&sum)[C], Vector& total) const {
    int64_t plane = p.width * p.height;
    auto pixel = static_cast<int64_t>(__builtin_floor(w.x));
    auto ahead = static_cast<A>(w.x - static_cast<double>(pixel));
    Runs runs;
    for (int64_t top = first; top < end; top += lanes) {
      find(runs, w, static_cast<A>(w.y - static_cast<double>(top)), ahead);
      for (int64_t row = top, lane = 0; lane < lanes && row < end; ++row, ++lane) {
        int64_t start = pixel + runs.start[lane], count = runs.count[lane];
        if constexpr (whole) {
          add_inner_run<C>(w, count, runs.u[lane], runs.v[lane], pixels + row * p.width + start, plane, sum, total);
        } else if (count > 0) {
          bool blank = p.padding == Padding::zeros && (row < 0 || row >= p.height);
          const A* line = pixels + mapped(row, p.height, p.padding, p.align_corners) * p.width;
          add_run<C>(w, start, start + count, runs.u[lane], runs.v[lane], blank ? nullptr : line, plane, sum, total);
        }
      }
    }
  }

  template <int C>
  UNWARP_INLINE void add_inner_run(const Window& w, int64_t count, A u, A v, const A* pixels, int64_t plane, Vector (&sum)[C],
                                   Vector& total) const {
    Vector at_u = u - w.ramp_u, at_v = v - w.ramp_v;
    auto add = [&] {
      Vector weight = weigh(at_u, at_v);
      total += weight;
      for (int i = 0; i < C; ++i) sum[i] += weight * load_weighted<A>(pixels + i * plane, weight, count);
      at_u -= w.step_u;
      at_v -= w.step_v;
      count -= lanes;
      pixels += lanes;
    };
    if (w.pair) {  // no branch on the length of a run, which would be hard to predict
      add();
      add();
      return;
    }
    while (count > 0) add();
  }

  template <int C>
  UNWARP_INLINE void add_run(const Window& w, int64_t start, int64_t end, A u, A v, const A* pixels, int64_t plane,
                             Vector (&sum)[C], Vector& total) const {
    Vector at_u = u - w.ramp_u, at_v = v - w.ramp_v;
    for (int64_t q = start; q < end; q += lanes) {
      Vector weight = weigh(at_u, at_v);
      at_u -= w.step_u;
      at_v -= w.step_v;
      total += weight;
      if (!pixels) continue;
      int64_t count = smaller<int64_t>(end - q, lanes);
      if (q >= 0 && q + count <= p.width) {
        for (int i = 0; i < C; ++i) sum[i] += weight * load_first<A>(pixels + i * plane + q, count);
      } else {
        add_padded<C>(pixels, plane, q, count, weight, sum);
      }
    }
  }

  // The same where some of the pixels lie outside of the image.
  template <int C>
  __attribute__((noinline)) void add_padded(const A* pixels, int64_t plane, int64_t q, int64_t count, const Vector& weight,
                                            Vector (&sum)[C]) const {
    Vector values[C] = {};
    for (int l = 0; l < count; ++l) {
      if (p.padding == Padding::zeros && (q + l < 0 || q + l >= p.width)) continue;
      int64_t index = mapped(q + l, p.width, p.padding, p.align_corners);
      for (int i = 0; i < C; ++i) values[i][l] = pixels[i * plane + index];
    }
    for (int i = 0; i < C; ++i) sum[i] += weight * values[i];
  }
};

template <class A> void antialias_as(const Antialias& p, int64_t begin, int64_t end) {
  if (p.kernel == Kernel::linear) Antialiaser<A, Kernel::linear>(p).run(begin, end);
  else Antialiaser<A, Kernel::cubic>(p).run(begin, end);
}

void antialias(const Antialias& p, int64_t begin, int64_t end) {
  p.wide ? antialias_as<double>(p, begin, end) : antialias_as<float>(p, begin, end);
}

}  // namespace
}  // namespace unwarp
