// The pipeline, once for every op: points -> taps -> gather and blend, a tile of output pixels at a time.
#pragma once

#include "blocks.h"
#include "few_channels.h"

namespace unwarp {
namespace {

constexpr int64_t scratch_elements = 1 << 18;  // of the gradient in the accumulation type: 1 MiB of float32

// S: element type of the images. A: accumulation type, also of coordinates. K: taps an axis.
template <class S, class A, int D, int K> class Sampler {
  using TileOf = Tile<A, D, K>;
  static constexpr bool direct = sizeof(S) == sizeof(A);  // gradients accumulate in the result itself

  // Whether channels-last pixels of a constant number of channels go a vector of samples at a time.
  template <class Channels, bool Windowed>
  static constexpr bool vectors_of_samples =
      Windowed && K == 2 && std::is_same_v<S, float> && std::is_same_v<A, float> && !std::is_same_v<Channels, int64_t>;

  const Problem& p;
  const PointsOf<A, D, K> points;
  const Taps<A, D, K> taps;
  const int64_t tile_size, tiles;  // pixels of a tile, tiles of one output

 public:
  explicit Sampler(const Problem& problem) : p(problem), points(problem), taps(problem), tile_size(tile_pixels(problem)), tiles(tiles_of(problem)) {}

  // Tiles are what threads divide among them, so where few would do, they are smaller.
  static int64_t tile_pixels(const Problem& p) {
    bool enough = p.thetas * p.out_pixels >= 4 * p.threads * TileOf::pixels;
    return enough ? TileOf::pixels : smaller(TileOf::pixels, 512);
  }
  static int64_t tiles_of(const Problem& p) { return (p.out_pixels + tile_pixels(p) - 1) / tile_pixels(p); }
  using Packed = PackedSampler<S, A, D, K>;
  static int64_t forward_items(const Problem& p) {
    return Packed::suits(p) ? Packed(p).forward_items() : tiles_of(p) * p.thetas;
  }
  static void forward(const Problem& p, int64_t begin, int64_t end) {
    Packed::suits(p) ? Packed(p).forward(begin, end) : Sampler(p).forward(begin, end);
  }
  static void backward(const Problem& p, int64_t begin, int64_t end) {
    Packed::suits(p) ? Packed(p).backward(begin, end) : Sampler(p).backward(begin, end);
  }

 private:
  void place(TileOf& tile, int64_t t, int64_t index) const {
    tile.first = index * tile_size;
    tile.count = smaller(tile_size, p.out_pixels - tile.first);
    points.positions(tile, t);
  }

  const S* image_of(int64_t n) const { return static_cast<const S*>(p.image) + n * p.image_stride; }

  void forward(int64_t begin, int64_t end) const {
    TileOf tile;
    for (int64_t item = begin; item < end; ++item) {
      // A part of a basis serves all thetas while it is in the cache.
      bool shared = p.points == Points::basis;
      int64_t t = shared ? item % p.thetas : item / tiles;
      place(tile, t, shared ? item / p.thetas : item % tiles);
      taps.template operator()<false>(tile);
      if (taps.window) blend_tile<true>(tile, t);
      else blend_tile<false>(tile, t);
    }
  }

  template <bool Windowed> void blend_tile(const TileOf& tile, int64_t t) const {
    const S* image = image_of(t * p.images / p.thetas);
    S* out = static_cast<S*>(p.output) + t * p.channels * p.out_pixels;
    const A* fill = static_cast<const A*>(p.fill);
    if (p.channels_last)
      return with_channels<A, D>(p.channels, [&](auto channels) {
        blend_channels_last<Windowed>(tile, t, image, out + tile.first * channels, fill, channels);
      });
    prefetch_tile<false>(tile, image);
    for (int64_t c = 0; c < p.channels; ++c) {
      blend<A, D, K, Windowed>(tile, image + c * p.in_pixels, plane_after(image, c),
                               out + c * p.out_pixels + tile.first, fill ? fill + c : nullptr);
      if (tile.edges) Edges<S, A, D, K>(p, t, c, 1).values(tile, 0, tile.count);
    }
  }

  template <bool Windowed, class Channels>
  UNWARP_INLINE void blend_channels_last(const TileOf& tile, int64_t t, const S* image, S* out, const A* fill, Channels channels) const {
    constexpr int64_t chunk = 64;  // what is checked after it is written, and still in the first-level cache
    const Edges<S, A, D, K> edges(p, t, 0, p.channels);
    const int64_t ahead = samples_ahead(p, sizeof(S));
    if constexpr (vectors_of_samples<Channels, Windowed>)
      if (few_channels(p)) {
        blend_channels<channels.value>(tile, image, out, fill, ahead);
        if (tile.edges) edges.values(tile, 0, tile.count);
        return;
      }
    int edge = 0;
    for (int64_t k = 0; k < tile.count; k += chunk) {
      int64_t to = smaller(k + chunk, tile.count);
      blend_pixels<A, D, K>(tile, Windowed, image, out + k * channels, fill, channels, k, to, ahead);
      edge = edges.values(tile, edge, to);
    }
  }

  const S* plane_after(const S* image, int64_t c) const {
    return c + 1 < p.channels ? image + (c + 1) * p.in_pixels : nullptr;
  }

  void backward(int64_t begin, int64_t end) const {
    if constexpr (sizeof(A) == sizeof(float)) {
      if (NarrowGradient<S, D, K>::suits(p, taps.window)) {
        Scratch<float> scratch(NarrowGradient<S, D, K>(p).scratch());
        for (int64_t item = begin; item < end; ++item)
          taps.window ? backward_narrow<true>(Band::of(p, item, tiles), scratch) : backward_narrow<false>(Band::of(p, item, tiles), scratch);
        return;
      }
    }
    if constexpr (sizeof(A) == sizeof(float) && D == 2 && K == 2)
      if (BlockGradient<S>::suits(p, taps.window)) return BlockGradient<S>(p).backward(begin, end);
    for (int64_t item = begin; item < end; ++item)
      taps.window ? backward_band<true>(Band::of(p, item, tiles)) : backward_band<false>(Band::of(p, item, tiles));
  }

  template <bool Windowed> void backward_narrow(const Band& band, Scratch<float>& scratch) const {
    const NarrowGradient<S, D, K> narrow(p);
    TileOf tile;
    narrow.clear(scratch.data);
    each_theta(band, [&](int64_t t) {
      for (int64_t j = 0; j < tiles; ++j) {
        place(tile, t, j);
        taps.template operator()<true>(tile);
        if (p.grad_theta) theta_gradient<Windowed>(tile, band, t);
        narrow.template scatter<Windowed>(tile, upstream(t) + tile.first, scratch.data);
      }
    });
    narrow.write_back(scratch.data, static_cast<S*>(p.grad_image) + band.image * p.channels * p.in_pixels);
  }

  template <class F> void each_theta(const Band& band, const F& use) const {
    int64_t warps = p.thetas / p.images;
    for (int64_t t = band.image * warps; t < (band.image + 1) * warps; ++t) use(t);
  }

  // Channels whose gradient accumulates at once: all in the result itself, or as many as the scratch holds.
  int64_t group_size(const Band& band) const {
    if (direct || p.channels_last || !p.grad_image) return p.channels;
    int64_t fitting = scratch_elements / (band.to - band.from);
    return smaller(p.channels, fitting < 4 ? int64_t{4} : fitting);
  }

  template <bool Windowed> void backward_band(const Band& band) const {
    int64_t group = group_size(band), pixels = band.to - band.from;
    Scratch<A> scratch(direct || !p.grad_image ? 0 : group * pixels);
    TileOf tile;
    for (int64_t c = 0; c < p.channels; c += group) {
      int64_t channels = smaller(group, p.channels - c);
      Target target = target_of(band, scratch.data, c, channels);
      clear(band, target, channels);
      each_theta(band, [&](int64_t t) {
        for (int64_t j = 0; j < tiles; ++j) {
          bool owned = c == 0 && p.grad_theta && j >= band.first_tile && j < band.last_tile;
          if (!owned && !p.grad_image) continue;
          place(tile, t, j);
          taps.template operator()<true>(tile);
          if (owned) theta_gradient<Windowed>(tile, band, t);
          if (p.grad_image) image_gradient<Windowed>(tile, band, target, t, c, channels);
        }
      });
      if (!direct && p.grad_image) write_back(band, target, c, channels);
    }
  }

  // Where a group of channels accumulates: element 0 is the band's first pixel.
  struct Target {
    A* data;
    int64_t channel_stride;
  };

  Target target_of(const Band& band, A* scratch, int64_t c, int64_t) const {
    if constexpr (direct) {
      A* image = static_cast<A*>(p.grad_image) + band.image * p.channels * p.in_pixels;
      if (!p.grad_image) return {nullptr, 0};
      return p.channels_last ? Target{image + band.from * p.channels, 0}
                             : Target{image + c * p.in_pixels + band.from, p.in_pixels};
    }
    return {scratch, band.to - band.from};
  }

  void clear(const Band& band, const Target& target, int64_t channels) const {
    if (!p.grad_image) return;
    size_t pixels = static_cast<size_t>(band.to - band.from);
    if (p.channels_last) {
      std::memset(target.data, 0, pixels * static_cast<size_t>(channels) * sizeof(A));
      return;
    }
    for (int64_t c = 0; c < channels; ++c) std::memset(target.data + c * target.channel_stride, 0, pixels * sizeof(A));
  }

  void write_back(const Band& band, const Target& target, int64_t c, int64_t channels) const {
    S* image = static_cast<S*>(p.grad_image) + band.image * p.channels * p.in_pixels;
    int64_t pixels = band.to - band.from;
    if (p.channels_last) return narrow_elements(target.data, pixels * channels, image + band.from * p.channels);
    for (int64_t i = 0; i < channels; ++i)
      narrow_elements(target.data + i * target.channel_stride, pixels, image + (c + i) * p.in_pixels + band.from);
  }

  const S* upstream(int64_t t) const { return static_cast<const S*>(p.grad_output) + t * p.channels * p.out_pixels; }

  template <bool Windowed> void theta_gradient(TileOf& tile, const Band& band, int64_t t) const {
    tile.start_gradient();
    const S* image = image_of(band.image);
    if (K > 1 && p.channels_last) {
      with_channels<A, D>(p.channels, [&](auto channels) {
        const S* g = upstream(t) + tile.first * channels;
        if constexpr (vectors_of_samples<decltype(channels), Windowed>)
          if (few_channels(p)) return position_gradient_channels<channels.value>(tile, image, g, samples_ahead(p, sizeof(S)));
        position_gradient_pixels<A, D, K>(tile, Windowed, image, g, channels, 0, tile.count, samples_ahead(p, sizeof(S)));
      });
    } else if (K > 1) {
      alignas(64) A wide[TileOf::padded];
      prefetch_tile<false>(tile, image);
      for (int64_t c = 0; c < p.channels; ++c) {
        const A* g = widened(upstream(t) + c * p.out_pixels + tile.first, wide, tile.count);
        position_gradient<A, D, K, Windowed>(tile, image + c * p.in_pixels, plane_after(image, c), g);
      }
    }
    if (K > 1 && tile.edges) Edges<S, A, D, K>(p, t, 0, p.channels).gradients(tile);
    points.adjoint(tile, t, band.sums(p, t), false);
  }

  // The gradients in the accumulation type: as they are, or converted into `wide`.
  static const A* widened(const S* g, A* wide, int64_t count) {
    if constexpr (direct) return g;
    else {
      for (int64_t k = 0; k < count; k += Lanes<A>::count) put(wide + k, load_some<A>(g + k, count - k));
      return wide;
    }
  }

  template <bool Windowed>
  void image_gradient(TileOf& tile, const Band& band, const Target& target, int64_t t, int64_t c, int64_t channels) const {
    bool touched[TileOf::padded / Lanes<A>::count];
    if (!band.whole) confine(tile, band, touched);
    for (int64_t k = 0; k < tile.count;) {
      int64_t end = band.whole ? tile.count : run_of<A>(touched, k, tile.count);
      if (end > k) scatter_run<Windowed>(tile, band, target, t, c, channels, k, end);
      k = smaller(tile.count, end > k ? end : k + Lanes<A>::count);
    }
  }

  template <bool Windowed>
  void scatter_run(const TileOf& tile, const Band& band, const Target& target, int64_t t, int64_t c, int64_t channels,
                   int64_t from, int64_t to) const {
    if (p.channels_last) {
      return with_channels<A, D>(p.channels, [&](auto channels) {
        scatter_pixels<A, D, K>(tile, Windowed, upstream(t) + (tile.first + from) * channels, target.data,
                                band.from * channels, channels, from, to);
      });
    }
    if constexpr (K == 2 && Windowed && sizeof(A) == sizeof(float)) {
      for (int64_t i = 0; i < channels; ++i) {
        A* plane = target.data + i * target.channel_stride - band.from;
        prefetch_tile<true>(tile, plane);
        scatter_pairs(tile, upstream(t) + (c + i) * p.out_pixels + tile.first, plane, p.out_size[0], from, to);
      }
    } else {
      scatter_planes<Windowed>(tile, band, target, t, c, channels, from, to);
    }
  }

  template <bool Windowed>
  void scatter_planes(const TileOf& tile, const Band& band, const Target& target, int64_t t, int64_t c, int64_t channels,
                      int64_t from, int64_t to) const {
    alignas(64) A wide[4][TileOf::padded];
    for (int64_t i = 0; i < channels; i += 4) {
      int count = static_cast<int>(smaller<int64_t>(4, channels - i));
      const A* g[4];
      A* planes[4];
      for (int q = 0; q < count; ++q) {
        g[q] = widened(upstream(t) + (c + i + q) * p.out_pixels + tile.first, wide[q], tile.count);
        planes[q] = target.data + (i + q) * target.channel_stride - band.from;
        prefetch_tile<true>(tile, planes[q]);
      }
      scatter_channels<A, D, K, Windowed>(tile, g, planes, count, from, to);
    }
  }
};

}  // namespace
}  // namespace unwarp
