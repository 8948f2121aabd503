// The image's gradient for images of few channels in planes, through scratch memory of one or four floats a pixel.
//
// Written to the planes directly, neighbouring samples meet in the same elements, and every addition waits for the store
// before it (about 10 cycles a sample). Four channels interleaved make that one addition a tap for all of them, or with
// the linear kernel one for both taps of a row.
#pragma once

#include "apart.h"
#include "transpose.h"

namespace unwarp {
namespace {

constexpr int64_t narrow_pixels = 1 << 16;  // scratch of 1 MiB

typedef float quad __attribute__((vector_size(16), may_alias));
typedef float octet __attribute__((vector_size(32), may_alias));

// Linear kernel: both taps of a row at once.
template <int D>
void scatter_octets(const Tile<float, D, 2>& tile, const float* g, float* pixels, int64_t width) {
  for (int64_t first = 0; first < tile.count; first += apart_pixels)
    each_apart(first, smaller(tile.count, first + apart_pixels), width, [&](int64_t k) {
      quad upstream = aligned<quad>(g + 4 * k), left = upstream * tile.wx[0][k], right = upstream * tile.wx[1][k];
      octet both = __builtin_shufflevector(left, right, 0, 1, 2, 3, 4, 5, 6, 7);
      for (int r = 0; r < tile.rows; ++r) {
        float* at = pixels + 4 * static_cast<int64_t>(tile.row[r][k]);
        put_unaligned(at, unaligned<octet>(at) + both * tile.wrow[r][k]);
      }
    });
}

template <int D, int K, bool Windowed>
void scatter_quads(const Tile<float, D, K>& tile, const float* g, float* pixels) {
  for (int64_t k = 0; k < tile.count; ++k) {
    quad upstream = aligned<quad>(g + 4 * k);
    for (int r = 0; r < tile.rows; ++r) {
      quad outer = upstream * tile.wrow[r][k];
      for (int s = 0; s < K; ++s) {
        float* at = pixels + 4 * (static_cast<int64_t>(tile.row[r][k]) + (Windowed ? s : tile.column[s][k]));
        put(at, aligned<quad>(at) + outer * tile.wx[s][k]);
      }
    }
  }
}

// Up to four planes into pixels of four channels; the last vector of them is written whole.
template <class S> void interleave(const S* planes, int64_t stride, int64_t channels, float* pixels, int64_t count) {
  constexpr int n = Lanes<float>::count;
  for (int64_t k = 0; k < count; k += n) {
    float_lanes v[4];
    for (int c = 0; c < 4; ++c) v[c] = c < channels ? load_some<float>(planes + c * stride + k, count - k) : float_lanes{};
    join_planes(v);
    for (int i = 0; i < 4; ++i) put(pixels + 4 * k + i * n, v[i]);
  }
}

// The scratch holds a multiple of the vector length.
template <class S> void deinterleave(const float* pixels, int64_t count, S* planes, int64_t stride, int64_t channels) {
  constexpr int n = Lanes<float>::count;
  for (int64_t k = 0; k < count; k += n) {
    float_lanes v[4];
    for (int i = 0; i < 4; ++i) v[i] = aligned<float_lanes>(pixels + 4 * k + i * n);
    split_pixels(v);
    for (int c = 0; c < channels; ++c) store_some<float>(planes + c * stride + k, v[c], count - k);
  }
}

// From the accumulation type to the image's.
template <class A, class S> void narrow_elements(const A* from, int64_t count, S* to) {
  for (int64_t k = 0; k < count; k += Lanes<A>::count) store_some<A>(to + k, load_some<A>(from + k, count - k), count - k);
}

// One image's gradient by this route. Covers float32 sums, up to four channels in planes, one thread an image.
template <class S, int D, int K> class NarrowGradient {
  const Problem& p;
  const int64_t padded;  // pixels, a multiple of the vector length

 public:
  explicit NarrowGradient(const Problem& problem)
      : p(problem), padded((p.in_pixels + Lanes<float>::count - 1) / Lanes<float>::count * Lanes<float>::count) {}

  static bool suits(const Problem& p, bool window) {
    bool channels = p.channels == 1 ? K == 2 && window : p.channels <= 4;
    return K > 1 && channels && !p.channels_last && p.bands == 1 && p.in_pixels <= narrow_pixels && p.grad_image &&
           p.in_pixels <= 2 * p.out_pixels * (p.thetas / p.images);
  }

  int64_t scratch() const { return p.channels == 1 ? padded : 4 * padded; }
  void clear(float* data) const { std::memset(data, 0, static_cast<size_t>(scratch()) * sizeof(float)); }

  template <bool Windowed> void scatter(const Tile<float, D, K>& tile, const S* g, float* data) const {
    if constexpr (K == 2 && Windowed) {
      if (p.channels == 1) return scatter_pairs(tile, g, data, p.out_size[0], 0, tile.count);
    }
    alignas(64) float wide[4 * Tile<float, D, K>::padded];
    interleave(g, p.out_pixels, p.channels, wide, tile.count);
    if constexpr (K == 2 && Windowed) scatter_octets(tile, wide, data, p.out_size[0]);
    else scatter_quads<D, K, Windowed>(tile, wide, data);
  }

  void write_back(const float* data, S* planes) const {
    if (p.channels == 1) narrow_elements(data, p.in_pixels, planes);
    else deinterleave(data, p.in_pixels, planes, p.in_pixels, p.channels);
  }
};

}  // namespace
}  // namespace unwarp
