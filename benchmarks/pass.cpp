// One thread's time for the forward and the backward pass of the linear kernel, without Python and torch: for comparing
// two versions of the C++ sources. Prints one line of JSON a shape, nanoseconds a sample (all channels): affine, the
// same in channels_last, then a basis of 16 terms, whose backward pass is that of theta alone.
//
//   g++ -std=c++17 -O3 -ffp-contract=fast -fno-math-errno -fno-trapping-math -Wno-psabi -DUNWARP_X86 -march=native
//       -Icsrc benchmarks/pass.cpp -o build/pass && build/pass
//
// The time is what the thread itself computed, the best of ten: another load on the machine shows in the caches alone.
#include <time.h>

#include <cmath>
#include <cstdio>
#include <new>
#include <random>
#include <vector>

#include "sample.h"

namespace {

using unwarp::Problem;
using Sampler = unwarp::Sampler<float, float, 2, 2>;

struct Shape {
  int64_t images, channels, height, width;
};
constexpr Shape shapes[] = {{256, 1, 28, 28},  {256, 1, 42, 42},  {128, 3, 64, 64},  {32, 3, 224, 224},
                            {8, 3, 448, 448}, {32, 64, 56, 56}, {16, 256, 28, 28}, {1, 3, 1080, 1920}};

constexpr Shape last[] = {{32, 3, 224, 224}, {32, 64, 56, 56}, {16, 256, 28, 28}};

// Memory on cache lines, as torch's.
template <class T> struct OnLines {
  using value_type = T;
  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t{64}); }
  bool operator==(const OnLines&) const { return true; }
};
using Floats = std::vector<float, OnLines<float>>;

double seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <class F> double best(const F& run) {
  double least = INFINITY;
  for (int i = 0; i < 10; ++i) {
    double begun = seconds();
    run();
    least = std::fmin(least, seconds() - begun);
  }
  return least;
}

Floats drawn(int64_t count, std::mt19937& random) {
  std::uniform_real_distribution<float> uniform;
  Floats values(static_cast<size_t>(count));
  for (float& value : values) value = uniform(random);
  return values;
}

// Rotations, scalings and shifts of the size that augmentation draws, between centred pixels.
Floats matrices(const Shape& shape, std::mt19937& random) {
  std::uniform_real_distribution<float> linear(-0.2f, 0.2f), shift(-0.1f, 0.1f);
  float width = static_cast<float>(shape.width), height = static_cast<float>(shape.height);
  Floats all;
  for (int64_t n = 0; n < shape.images; ++n)
    for (float entry : {1 + linear(random), linear(random) * width / height, shift(random) * width / 2,
                        linear(random) * height / width, 1 + linear(random), shift(random) * height / 2})
      all.push_back(entry);
  return all;
}

// Coefficients of a basis that moves samples by a few pixels.
constexpr int64_t terms = 16;

void measure(const Shape& shape, bool affine, bool channels_last = false) {
  std::mt19937 random(0);
  int64_t pixels = shape.height * shape.width, elements = shape.images * shape.channels * pixels;
  Floats image = drawn(elements, random), upstream = drawn(elements, random);
  Floats theta = affine ? matrices(shape, random) : drawn(shape.images * terms * 2, random);
  int64_t term_stride = (pixels + 15) / 16 * 16;  // as unwarp.transforms stores a basis
  Floats basis = drawn(terms * term_stride, random);
  Floats output(image.size()), gradient(image.size());
  std::vector<double> partial(theta.size());
  Problem p{};
  p.dimensions = 2;
  p.kernel = unwarp::Kernel::linear;
  p.images = p.thetas = shape.images;
  p.channels = shape.channels;
  p.channels_last = channels_last;
  p.in_size[0] = p.out_size[0] = shape.width;
  p.in_size[1] = p.out_size[1] = shape.height;
  p.in_pixels = p.out_pixels = pixels;
  p.image_stride = shape.channels * pixels;
  p.image = image.data();
  p.output = output.data();
  p.points = affine ? unwarp::Points::matrix : unwarp::Points::basis;
  p.theta = theta.data();
  p.matrix_rows = 2;
  p.basis = basis.data();
  p.basis_size = terms;
  p.basis_pixel_stride = 1;
  p.basis_term_stride = term_stride;
  p.scale[0] = p.scale[1] = 1;
  p.threads = p.bands = 1;
  p.grad_output = upstream.data();
  p.grad_image = affine ? gradient.data() : nullptr;
  p.grad_theta = p.grad_theta_partial = partial.data();
  p.theta_numel = static_cast<int64_t>(theta.size()) / shape.images;
  double samples = 1e-9 * static_cast<double>(shape.images * pixels);
  double forward = best([&] { Sampler::forward(p, 0, Sampler::forward_items(p)); });
  double backward = best([&] { Sampler::backward(p, 0, shape.images); });
  std::printf("{\"transform\": \"%s\", \"shape\": [%ld, %ld, %ld, %ld], \"forward\": %.2f, \"backward\": %.2f}\n",
              channels_last ? "affine, channels_last" : affine ? "affine" : "basis", long(shape.images), long(shape.channels), long(shape.height), long(shape.width),
              forward / samples, backward / samples);
}

}  // namespace

int main() {
  for (const Shape& shape : shapes) measure(shape, true);
  for (const Shape& shape : last) measure(shape, true, true);
  for (const Shape& shape : {Shape{256, 1, 42, 42}, Shape{8, 3, 224, 224}}) measure(shape, false);
}
