// Anti-aliased sampling. Included by one translation unit for each instruction set.
#pragma once

#include "antialias_window.h"

namespace unwarp {
namespace {

template <class A, Kernel K> class Antialiaser : Footprints<A, K> {
  using Base = Footprints<A, K>;
  using typename Base::Runs;
  using typename Base::Vector;
  using typename Base::Window;
  using Base::end_row;
  using Base::find;
  using Base::first_row;
  using Base::image_of;
  using Base::lanes;
  using Base::p;
  using Base::weigh;

 public:
  explicit Antialiaser(const Antialias& problem) : Base(problem) {}

  void run(int64_t begin, int64_t end) const {
    this->each_sample(begin, end, [&](Window& w, int64_t t, int64_t point) { evaluate(w, image_of(t), t, point); });
  }

 private:
  void evaluate(Window& w, const A* image, int64_t t, int64_t point) const {
    A* out = static_cast<A*>(p.output) + t * p.channels * p.points + point;
    Sample kind = this->place(w, t, point);
    if (kind == Sample::undefined) return set(out, A(__builtin_nan("")));
    if (kind == Sample::filled) {
      for (int64_t c = 0; c < p.channels; ++c) out[c * p.points] = static_cast<const A*>(p.fill)[c];
      return;
    }
    int64_t c = 0;
    for (; c + 4 <= p.channels; c += 4) blend<4>(w, image, out, c);
    if (p.channels - c == 3) blend<3>(w, image, out, c);
    else if (p.channels - c == 2) blend<2>(w, image, out, c);
    else if (p.channels - c == 1) blend<1>(w, image, out, c);
  }

  void set(A* out, A value) const {
    for (int64_t c = 0; c < p.channels; ++c) out[c * p.points] = value;
  }

  // C channels from c on.
  template <int C> void blend(const Window& w, const A* image, A* out, int64_t c) const {
    int64_t first = first_row(w), end = end_row(w);
    const A* pixels = image + c * p.width * p.height;
    Vector sum[C] = {}, total{};
    if (this->whole(w)) add_rows<C, true>(w, first, end, pixels, sum, total);
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
