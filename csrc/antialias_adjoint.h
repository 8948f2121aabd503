// The adjoint of anti-aliased sampling. Included by one translation unit for each instruction set.
//
// V = sum_q U_q w_q / W, W = sum_q w_q, w_q = k(u) k(v), (u, v) = M (x - q), M the inverse of the stretch. With P_q the
// upstream gradient times U_q, summed over the channels, and G that times V, a sample's gradient of anything that moves
// the weights is sum_q (P_q - G) dw_q / W. It takes six sums: of k'(u) k(v) and k(u) k'(v), each times 1, u and v.
#pragma once

#include "antialias_window.h"

namespace unwarp {
namespace {

constexpr int64_t image_block = 4;  // channels that share a sample's weights

template <class A, Kernel K> class AntialiasAdjoint : Footprints<A, K> {
  using Base = Footprints<A, K>;
  using typename Base::Runs;
  using typename Base::Vector;
  using typename Base::Window;
  using Base::lanes;
  using Base::p;
  using Base::weigh;
  static constexpr int moments = 6;

 public:
  explicit AntialiasAdjoint(const Antialias& problem) : Base(problem) {}

  void points(int64_t begin, int64_t end) const {
    this->each_sample(begin, end, [&](Window& w, int64_t t, int64_t point) {
      int64_t sample = t * p.points + point;
      A* position = static_cast<A*>(p.grad_positions) + 2 * sample;
      A* inverse = static_cast<A*>(p.grad_inverse) + 4 * sample;
      Sample kind = this->place(w, t, point);
      A nothing = kind == Sample::undefined ? A(__builtin_nan("")) : A(0);
      position[0] = position[1] = nothing;
      for (int i = 0; i < 4; ++i) inverse[i] = 0;
      if (kind == Sample::sampled) points_of(w, this->image_of(t), grad_of(sample), position, inverse);
    });
  }

  // Blocks [begin, end) of the images' channels.
  void image(int64_t begin, int64_t end) const {
    int64_t blocks = (p.channels + image_block - 1) / image_block, warps = p.warps / p.images;
    for (int64_t item = begin; item < end; ++item) {
      int64_t n = item / blocks, c = item % blocks * image_block, count = smaller<int64_t>(image_block, p.channels - c);
      A* planes = static_cast<A*>(p.grad_image) + (n * p.channels + c) * p.width * p.height;
      this->each_sample(n * warps * p.points, (n + 1) * warps * p.points, [&](Window& w, int64_t t, int64_t point) {
        if (this->place(w, t, point) == Sample::sampled) image_of_sample(w, grad_of(t * p.points + point) + c, count, planes);
      });
    }
  }

 private:
  const A* grad_of(int64_t sample) const { return static_cast<const A*>(p.grad) + sample * p.channels; }

  // Calls `f(row, q, count, u, v)` for each vector of pixels that the kernel reaches: at most `count` of them from q on.
  template <class F> UNWARP_INLINE void each_vector(const Window& w, F f) const {
    auto pixel = static_cast<int64_t>(__builtin_floor(w.x));
    auto ahead = static_cast<A>(w.x - static_cast<double>(pixel));
    int64_t end = this->end_row(w);
    Runs runs;
    for (int64_t top = this->first_row(w); top < end; top += lanes) {
      this->find(runs, w, static_cast<A>(w.y - static_cast<double>(top)), ahead);
      for (int64_t row = top, lane = 0; lane < lanes && row < end; ++row, ++lane) {
        Vector u = runs.u[lane] - w.ramp_u, v = runs.v[lane] - w.ramp_v;
        int64_t q = pixel + runs.start[lane];
        for (int64_t left = runs.count[lane]; left > 0; left -= lanes, q += lanes) {
          f(row, q, smaller<int64_t>(left, lanes), u, v);
          u -= w.step_u;
          v -= w.step_v;
        }
      }
    }
  }

  static UNWARP_INLINE Indices<A> first_lanes(int64_t count) {
    return __builtin_convertvector(ramp<A>(), Indices<A>) < splat_index<A>(static_cast<Index<A>>(count));
  }

  // The row of pixels that stands for a row, or null for zeros.
  template <class T> UNWARP_INLINE T* line_of(T* plane, int64_t row) const {
    if (p.padding == Padding::zeros && (row < 0 || row >= p.height)) return nullptr;
    return plane + mapped(row, p.height, p.padding, p.align_corners) * p.width;
  }
  bool within(int64_t q, int64_t count) const { return q >= 0 && q + count <= p.width; }
  bool blank(int64_t q) const { return p.padding == Padding::zeros && (q < 0 || q >= p.width); }

  // P of a vector of pixels.
  UNWARP_INLINE Vector price(const A* line, const A* grad, int64_t q, int64_t count) const {
    int64_t plane = p.width * p.height;
    Vector total{};
    if (line == nullptr) return total;
    if (within(q, count)) {
      for (int64_t c = 0; c < p.channels; ++c) total += grad[c] * load_first<A>(line + c * plane + q, count);
      return total;
    }
    for (int l = 0; l < count; ++l) {
      if (blank(q + l)) continue;
      const A* at = line + mapped(q + l, p.width, p.padding, p.align_corners);
      A sum = 0;
      for (int64_t c = 0; c < p.channels; ++c) sum += grad[c] * at[c * plane];
      total[l] = sum;
    }
    return total;
  }

  void points_of(const Window& w, const A* image, const A* grad, A* position, A* inverse) const {
    Vector weights{}, priced{}, slopes[moments] = {}, priced_slopes[moments] = {};
    each_vector(w, [&](int64_t row, int64_t q, int64_t count, Vector u, Vector v) {
      auto exists = first_lanes(count);
      Vector none{}, along_u = weigh.along(u), along_v = weigh.along(v), paid = price(line_of(image, row), grad, q, count);
      Vector weight = exists ? along_u * along_v : none;
      Vector across = exists ? weigh.slope(u) * along_v : none, down = exists ? along_u * weigh.slope(v) : none;
      Vector moment[moments] = {across, down, across * u, across * v, down * u, down * v};
      weights += weight;
      priced += weight * paid;
      for (int i = 0; i < moments; ++i) {
        slopes[i] += moment[i];
        priced_slopes[i] += moment[i] * paid;
      }
    });
    A total = sum_lanes<A>(weights), whole = total == 0 ? A(1) : total, mean = sum_lanes<A>(priced) / whole, sum[moments];
    for (int i = 0; i < moments; ++i) sum[i] = (sum_lanes<A>(priced_slopes[i]) - mean * sum_lanes<A>(slopes[i])) / whole;
    A m_xx = static_cast<A>(w.inverse.xx), m_xy = static_cast<A>(w.inverse.xy), m_yy = static_cast<A>(w.inverse.yy);
    position[0] = w.free_x ? m_xx * sum[0] + m_xy * sum[1] : A(0);
    position[1] = w.free_y ? m_xy * sum[0] + m_yy * sum[1] : A(0);
    // From u and v back to the distances along x and y, by the stretch.
    A s_xx = static_cast<A>(w.stretch.xx), s_xy = static_cast<A>(w.stretch.xy), s_yy = static_cast<A>(w.stretch.yy);
    for (int i = 0; i < 2; ++i) {
      inverse[2 * i] = s_xx * sum[2 + 2 * i] + s_xy * sum[3 + 2 * i];
      inverse[2 * i + 1] = s_xy * sum[2 + 2 * i] + s_yy * sum[3 + 2 * i];
    }
  }

  void image_of_sample(const Window& w, const A* grad, int64_t channels, A* planes) const {
    int64_t plane = p.width * p.height;
    Vector weights{};
    each_vector(w, [&](int64_t, int64_t, int64_t count, Vector u, Vector v) {
      weights += first_lanes(count) ? weigh(u, v) : Vector{};
    });
    A total = sum_lanes<A>(weights), share = total == 0 ? A(1) : 1 / total;
    each_vector(w, [&](int64_t row, int64_t q, int64_t count, Vector u, Vector v) {
      A* line = line_of(planes, row);
      if (line == nullptr) return;
      Vector weight = weigh(u, v) * share;
      if (within(q, count)) {
        for (int64_t c = 0; c < channels; ++c) {
          A* at = line + c * plane + q;
          store_some<A>(at, load_first<A>(at, count) + grad[c] * weight, count);
        }
        return;
      }
      for (int l = 0; l < count; ++l) {
        if (blank(q + l)) continue;
        A* at = line + mapped(q + l, p.width, p.padding, p.align_corners);
        for (int64_t c = 0; c < channels; ++c) at[c * plane] += grad[c] * weight[l];
      }
    });
  }
};

template <class A> void points_backward_as(const Antialias& p, int64_t begin, int64_t end) {
  if (p.kernel == Kernel::linear) AntialiasAdjoint<A, Kernel::linear>(p).points(begin, end);
  else AntialiasAdjoint<A, Kernel::cubic>(p).points(begin, end);
}
template <class A> void image_backward_as(const Antialias& p, int64_t begin, int64_t end) {
  if (p.kernel == Kernel::linear) AntialiasAdjoint<A, Kernel::linear>(p).image(begin, end);
  else AntialiasAdjoint<A, Kernel::cubic>(p).image(begin, end);
}

void antialias_points_backward(const Antialias& p, int64_t begin, int64_t end) {
  p.wide ? points_backward_as<double>(p, begin, end) : points_backward_as<float>(p, begin, end);
}
void antialias_image_backward(const Antialias& p, int64_t begin, int64_t end) {
  p.wide ? image_backward_as<double>(p, begin, end) : image_backward_as<float>(p, begin, end);
}

}  // namespace
}  // namespace unwarp
