// Images of many channels in planes, 16 channels at a time: packed into pixels of 16, sampled as channels-last ones, and
// unpacked. The transposes cost far less than gathering and scattering every channel by itself.
#pragma once

#include <new>

#include "channels_last.h"
#include "edges.h"
#include "transpose.h"

namespace unwarp {
namespace {

// Memory of one thread, on a cache line, released when the scope ends.
template <class T> struct Scratch {
  T* data;
  explicit Scratch(int64_t count)
      : data(count ? static_cast<T*>(::operator new(static_cast<size_t>(count) * sizeof(T), std::align_val_t{64})) : nullptr) {}
  ~Scratch() { ::operator delete(data, std::align_val_t{64}); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

template <class S, class A, int D, int K> class PackedSampler {
  using TileOf = Tile<A, D, K>;
  static constexpr int64_t chunk = 64;               // pixels between packing and unpacking: 4 KiB of float32
  static constexpr int64_t largest = 1 << 13;        // pixels of an image whose 16 channels fit the second-level cache

  const Problem& p;
  const PointsOf<A, D, K> points;
  const Taps<A, D, K> taps;
  const int64_t groups;

 public:
  explicit PackedSampler(const Problem& problem)
      : p(problem), points(problem), taps(problem), groups((p.channels + packed_channels - 1) / packed_channels) {}

  // Items are images, so there must be enough of them; and enough output that packing pays.
  static bool suits(const Problem& p) {
    return !p.channels_last && p.channels >= 8 && K > 1 && p.in_pixels <= largest && p.bands == 1 &&
           p.in_pixels <= 2 * p.out_pixels * (p.thetas / p.images) && p.images % p.threads == 0;
  }

  void forward(int64_t begin, int64_t end) const {
    Scratch<A> image(p.in_pixels * packed_channels), out(chunk * packed_channels);
    TileOf tile;
    for (int64_t item = begin; item < end; ++item) {
      int64_t n = item / groups, c = item % groups * packed_channels, channels = channels_from(c);
      pack<A>(image_planes(n, c), p.in_pixels, channels, image.data, p.in_pixels);
      alignas(64) A fill[packed_channels] = {};
      if (p.fill) std::memcpy(fill, static_cast<const A*>(p.fill) + c, static_cast<size_t>(channels) * sizeof(A));
      each_tile<false>(tile, n, [&](int64_t t) {
        S* planes = static_cast<S*>(p.output) + (t * p.channels + c) * p.out_pixels + tile.first;
        for (int64_t k = 0; k < tile.count; k += chunk) {
          int64_t to = smaller(k + chunk, tile.count);
          if (taps.window) blend_pixels<A, D, K>(tile, true, image.data, out.data, p.fill ? fill : nullptr, packed_channels, k, to, 0);
          else blend_pixels<A, D, K>(tile, false, image.data, out.data, p.fill ? fill : nullptr, packed_channels, k, to, 0);
          unpack<A>(out.data, to - k, planes + k, p.out_pixels, channels);
        }
        if (tile.edges) Edges<S, A, D, K>(p, t, c, channels).values(tile, 0, tile.count);
      });
    }
  }

  int64_t forward_items() const { return p.images * groups; }

  void backward(int64_t begin, int64_t end) const {
    int64_t elements = p.in_pixels * packed_channels;
    Scratch<A> image(p.grad_theta ? elements : 0), gradient(p.grad_image ? elements : 0), g(chunk * packed_channels);
    TileOf tile;
    for (int64_t n = begin; n < end; ++n)
      for (int64_t c = 0; c < p.channels; c += packed_channels) {
        int64_t channels = channels_from(c);
        if (p.grad_theta) pack<A>(image_planes(n, c), p.in_pixels, channels, image.data, p.in_pixels);
        if (p.grad_image) std::memset(gradient.data, 0, static_cast<size_t>(elements) * sizeof(A));
        each_tile<true>(tile, n, [&](int64_t t) {
          adjoint(tile, t, c, channels, image.data, gradient.data, g.data);
        });
        if (p.grad_image)
          unpack<A>(gradient.data, p.in_pixels, static_cast<S*>(p.grad_image) + (n * p.channels + c) * p.in_pixels,
                    p.in_pixels, channels);
      }
  }

 private:
  int64_t channels_from(int64_t c) const { return smaller<int64_t>(packed_channels, p.channels - c); }

  const S* image_planes(int64_t n, int64_t c) const {
    return static_cast<const S*>(p.image) + n * p.image_stride + c * p.in_pixels;
  }

  template <bool Gradient, class F> void each_tile(TileOf& tile, int64_t n, const F& use) const {
    int64_t warps = p.thetas / p.images;
    for (int64_t t = n * warps; t < (n + 1) * warps; ++t)
      for (int64_t first = 0; first < p.out_pixels; first += TileOf::pixels) {
        tile.first = first;
        tile.count = smaller<int64_t>(TileOf::pixels, p.out_pixels - first);
        points.positions(tile, t);
        taps.template operator()<Gradient>(tile);
        use(t);
      }
  }

  void adjoint(TileOf& tile, int64_t t, int64_t c, int64_t channels, const A* image, A* gradient, A* g) const {
    const S* planes = static_cast<const S*>(p.grad_output) + (t * p.channels + c) * p.out_pixels + tile.first;
    tile.start_gradient();
    for (int64_t k = 0; k < tile.count; k += chunk) {
      int64_t to = smaller(k + chunk, tile.count);
      pack<A>(planes + k, p.out_pixels, channels, g, to - k);
      if (taps.window) adjoint_chunk<true>(tile, image, gradient, g, k, to);
      else adjoint_chunk<false>(tile, image, gradient, g, k, to);
    }
    if (p.grad_theta && tile.edges) Edges<S, A, D, K>(p, t, c, channels).gradients(tile);
    if (p.grad_theta) points.adjoint(tile, t, p.grad_theta_partial + (p.grad_theta_partial ? t * p.theta_numel : 0), c > 0);
  }

  template <bool Windowed>
  void adjoint_chunk(TileOf& tile, const A* image, A* gradient, const A* g, int64_t from, int64_t to) const {
    if (p.grad_theta) position_gradient_pixels<A, D, K>(tile, Windowed, image, g, packed_channels, from, to, 0);
    if (p.grad_image) scatter_pixels<A, D, K>(tile, Windowed, g, gradient, 0, packed_channels, from, to);
  }
};

}  // namespace
}  // namespace unwarp
