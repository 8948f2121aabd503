// Gradients for large images of two to four channels in planes, linear kernel: a block of the output at a time.
//
// The samples of a block lie close together in the image, where those of a long row of the output need not. What they
// touch stays in the first-level cache while they are read, and so does a box of scratch memory that collects what they
// add, channels interleaved as in narrow.h, until it is added to the planes.
#pragma once

#include "bands.h"
#include "narrow.h"
#include "packed.h"

namespace unwarp {
namespace {

// The pixels of the image that a block's samples touch.
struct Box {
  int64_t x, y, width, height, pitch;  // pitch: the width in whole vectors

  int64_t pixels() const { return pitch * height; }
};

inline Box box_around(const Tile<float, 2, 2>& tile) {
  constexpr int n = Lanes<float>::count;
  using I = Indices<float>;
  const int32_t *columns = tile.column[0], *lines[2] = {tile.line[0], tile.line[1]};
  I left = splat_index<float>(columns[0]), right = left, top = splat_index<float>(lines[0][0]), bottom = top;
  for (int64_t k = 0; k < tile.count; k += n) {
    I none = ramp<float>() + static_cast<float>(k) >= static_cast<float>(tile.count);  // past the last sample
    I x = none ? left : aligned<I>(columns + k);
    left = x < left ? x : left;
    right = x > right ? x : right;
    for (const int32_t* line : lines) {
      I y = none ? top : aligned<I>(line + k);
      top = y < top ? y : top;
      bottom = y > bottom ? y : bottom;
    }
  }
  int64_t x0 = left[0], x1 = right[0], y0 = top[0], y1 = bottom[0];
  for (int l = 1; l < n; ++l) {
    x0 = smaller<int64_t>(x0, left[l]);
    x1 = larger<int64_t>(x1, right[l]);
    y0 = smaller<int64_t>(y0, top[l]);
    y1 = larger<int64_t>(y1, bottom[l]);
  }
  int64_t width = x1 + 2 - x0;
  return {x0, y0, width, y1 + 1 - y0, (width + n - 1) / n * n};
}

template <bool Write, class S> void prefetch_box(const Box& box, const S* plane, int64_t width) {
  constexpr int64_t step = 64 / static_cast<int64_t>(sizeof(S));
  for (int64_t y = box.y; y < box.y + box.height; ++y)
    for (int64_t x = 0; x < box.width + step; x += step)
      __builtin_prefetch(plane + y * width + box.x + smaller(x, box.width - 1), Write);
}

template <class S> class BlockGradient {
  using TileOf = Tile<float, 2, 2>;
  static constexpr bool direct = sizeof(S) == sizeof(float);  // sums are collected in the result itself
  static constexpr int64_t width = 64, height = 16;           // of a block
  static constexpr int64_t box_pixels = 4 * width * height;   // beyond, the samples are too far apart for a box
  static constexpr int64_t padded = width * height + Lanes<float>::count;

  const Problem& p;
  const PointsOf<float, 2, 2> points;
  const Taps<float, 2, 2> taps;
  const int64_t across, blocks;

  // Where the band's gradient is summed: the element of the whole image's first pixel.
  struct Target {
    float* data;
    int64_t stride;  // between channels
  };

 public:
  explicit BlockGradient(const Problem& problem)
      : p(problem), points(problem), taps(problem), across((p.out_size[0] + width - 1) / width),
        blocks(across * ((p.out_size[1] + height - 1) / height)) {}

  static bool suits(const Problem& p, bool window) {
    return window && p.channels > 1 && p.channels <= 4 && !p.channels_last && p.grad_image && p.out_size[0] >= width &&
           p.out_size[1] >= height;
  }

  void backward(int64_t begin, int64_t end) const {
    int64_t widest = (p.in_size[1] / p.bands + 1) * p.in_size[0];
    Scratch<float> box(4 * box_pixels), sums(direct ? 0 : p.channels * widest);
    TileOf tile;
    for (int64_t item = begin; item < end; ++item) {
      Band band = Band::of(p, item, blocks);
      Target target = target_of(band, sums.data);
      size_t bytes = static_cast<size_t>(band.to - band.from) * sizeof(float);
      for (int64_t c = 0; c < p.channels; ++c) std::memset(target.data + c * target.stride + band.from, 0, bytes);
      int64_t warps = p.thetas / p.images;
      for (int64_t t = band.image * warps; t < (band.image + 1) * warps; ++t)
        for (int64_t j = 0; j < blocks; ++j) block(tile, t, j, band, target, box.data);
      if (!direct) write_back(band, target);
    }
  }

 private:
  Target target_of(const Band& band, float* sums) const {
    if constexpr (direct) return {static_cast<float*>(p.grad_image) + band.image * p.channels * p.in_pixels, p.in_pixels};
    else return {sums - band.from, band.to - band.from};
  }

  void write_back(const Band& band, const Target& target) const {
    S* planes = static_cast<S*>(p.grad_image) + band.image * p.channels * p.in_pixels;
    for (int64_t c = 0; c < p.channels; ++c)
      narrow_elements(target.data + c * target.stride + band.from, band.to - band.from, planes + c * p.in_pixels + band.from);
  }

  void block(TileOf& tile, int64_t t, int64_t j, const Band& band, const Target& target, float* scratch) const {
    int64_t x = j % across * width, y = j / across * height;
    tile.first = y * p.out_size[0] + x;
    tile.block = smaller(width, p.out_size[0] - x);
    tile.count = tile.block * smaller(height, p.out_size[1] - y);
    points.positions(tile, t);
    taps.template operator()<true>(tile);
    const Box box = box_around(tile);
    bool owned = p.grad_theta && j >= band.first_tile && j < band.last_tile;
    bool touched = box.y * p.in_size[0] < band.to && (box.y + box.height) * p.in_size[0] > band.from;
    if (!owned && !touched) return;
    alignas(64) float upstream[4 * padded];
    const S* g = static_cast<const S*>(p.grad_output) + t * p.channels * p.out_pixels;
    for (int64_t c = 0; c < p.channels; ++c) collect(tile, g + c * p.out_pixels, upstream + c * padded);
    if (owned) theta_gradient(tile, t, box, upstream, band);
    if (!touched) return;
    if (box.pixels() <= box_pixels) through(box, tile, upstream, band, target, scratch);
    else directly(tile, upstream, band, target);
  }

  // A block's pixels of one plane.
  void collect(const TileOf& tile, const S* plane, float* out) const {
    for_runs(p, tile, [&](int64_t at, int64_t length, int64_t first) {
      for (int64_t k = 0; k < length; k += Lanes<float>::count)
        put_unaligned(out + at + k, load_some<float>(plane + first + k, length - k));
    });
  }

  void theta_gradient(TileOf& tile, int64_t t, const Box& box, const float* upstream, const Band& band) const {
    const S* image = static_cast<const S*>(p.image) + band.image * p.image_stride;
    for (int64_t c = 0; c < p.channels; ++c) prefetch_box<false>(box, image + c * p.in_pixels, p.in_size[0]);
    tile.start_gradient();
    switch (p.channels) {
      case 2: position_gradients<2>(tile, image, p.in_pixels, upstream, padded); break;
      case 3: position_gradients<3>(tile, image, p.in_pixels, upstream, padded); break;
      default: position_gradients<4>(tile, image, p.in_pixels, upstream, padded);
    }
    if (tile.edges) Edges<S, float, 2, 2>(p, t, 0, p.channels).gradients(tile);
    points.adjoint(tile, t, band.sums(p, t), false);
  }

  void through(const Box& box, TileOf& tile, const float* upstream, const Band& band, const Target& target, float* scratch) const {
    for (int64_t c = 0; c < p.channels; ++c) prefetch_box<true>(box, target.data + c * target.stride, p.in_size[0]);
    std::memset(scratch, 0, static_cast<size_t>(4 * box.pixels()) * sizeof(float));
    to_box(tile, box);
    alignas(64) float interleaved[4 * padded];
    interleave(upstream, padded, p.channels, interleaved, tile.count);
    scatter_octets(tile, interleaved, scratch, tile.block);
    add(box, scratch, band, target);
  }

  // From offsets in the image to offsets in the box.
  static void to_box(TileOf& tile, const Box& box) {
    using I = Indices<float>;
    I pitch = splat_index<float>(static_cast<int32_t>(box.pitch));
    I x = splat_index<float>(static_cast<int32_t>(box.x)), y = splat_index<float>(static_cast<int32_t>(box.y));
    for (int64_t k = 0; k < tile.count; k += Lanes<float>::count)
      for (int r = 0; r < 2; ++r)
        put(tile.row[r] + k, (aligned<I>(tile.line[r] + k) - y) * pitch + (aligned<I>(tile.column[0] + k) - x));
  }

  // The box's rows that belong to the band.
  void add(const Box& box, const float* scratch, const Band& band, const Target& target) const {
    constexpr int n = Lanes<float>::count;
    int64_t top = band.from / p.in_size[0], bottom = band.to / p.in_size[0];
    for (int64_t y = larger(box.y, top); y < smaller(box.y + box.height, bottom); ++y)
      for (int64_t x = 0; x < box.width; x += n) {
        const float* pixels = scratch + 4 * ((y - box.y) * box.pitch + x);
        float_lanes v[4];
        for (int i = 0; i < 4; ++i) v[i] = aligned<float_lanes>(pixels + i * n);
        split_pixels(v);
        for (int64_t c = 0; c < p.channels; ++c) {
          float* at = target.data + c * target.stride + y * p.in_size[0] + box.x + x;
          store_some<float>(at, load_some<float>(at, box.width - x) + v[c], box.width - x);
        }
      }
  }

  // Samples too far apart for a box.
  void directly(const TileOf& tile, const float* upstream, const Band& band, const Target& target) const {
    for (int64_t k = 0; k < tile.count; ++k)
      for (int r = 0; r < 2; ++r) {
        int64_t row = tile.row[r][k];
        if (row < band.from || row >= band.to) continue;
        for (int64_t c = 0; c < p.channels; ++c) {
          float* at = target.data + c * target.stride + row;
          float value = tile.wrow[r][k] * upstream[c * padded + k];
          at[0] += value * tile.wx[0][k];
          at[1] += value * tile.wx[1][k];
        }
      }
  }
};

}  // namespace
}  // namespace unwarp
