// The ops of anti-aliased sampling: schemas, and what stands between tensors and their code. They have no derivative:
// where one is wanted, Python evaluates the reference.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "antialias.h"
#include "tensors.h"

namespace unwarp {
namespace {

using Run = void (*)(const Antialias&, int64_t, int64_t);

Run code() {
#ifdef UNWARP_X86
  if (std::strcmp(engine().name, "avx512") == 0) return antialias_avx512;
  if (std::strcmp(engine().name, "avx2") == 0) return antialias_avx2;
#endif
  return antialias_baseline;
}

// How samples are taken: the arguments both ops end with.
struct Sampling {
  double limit;
  int64_t kernel;
  double cubic_a;
  int64_t padding;
  const std::optional<Tensor>& fill;
  bool align_corners;
};

// A problem without its points, and the tensors that its pointers lead into.
struct Call {
  Antialias problem{};
  Tensor image;
  std::optional<Tensor> fill;
};

void check(const Tensor& image, const Sampling& sampling) {
  auto dtype = image.scalar_type();
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "image: expected float32 or float64");
  STD_TORCH_CHECK(image.dim() == 4 && image.numel() > 0 && image.is_cpu(), "image: expected (N, C, H, W) on the CPU, not empty");
  STD_TORCH_CHECK(sampling.kernel == 1 || sampling.kernel == 2, "kernel: expected linear or cubic");
  STD_TORCH_CHECK(sampling.padding >= 0 && sampling.padding <= 4 && sampling.limit >= 1, "unknown padding or limit");
  STD_TORCH_CHECK((sampling.padding == 4) == sampling.fill.has_value(), "fill: expected with fill padding alone");
  STD_TORCH_CHECK(!sampling.fill || (sampling.fill->numel() == image.size(1) && sampling.fill->scalar_type() == dtype),
                  "fill: expected one value a channel in the image's dtype");
}

void check_points(const Tensor& points, const Tensor& image) {
  STD_TORCH_CHECK(points.is_cpu() && points.scalar_type() == image.scalar_type(), "points: expected the image's device and dtype");
  STD_TORCH_CHECK(points.numel() > 0 && points.size(0) % image.size(0) == 0, "points: expected a multiple of the image's batch");
}

Call describe(const Tensor& image, int64_t warps, int64_t points, const Sampling& sampling) {
  Call call{{}, dense_image(image, false), std::nullopt};
  if (sampling.fill) call.fill = torch::stable::contiguous(*sampling.fill);
  Antialias& p = call.problem;
  p.wide = image.scalar_type() == ScalarType::Double;
  p.kernel = static_cast<Kernel>(sampling.kernel);
  p.cubic_a = sampling.cubic_a;
  p.padding = static_cast<Padding>(sampling.padding);
  p.align_corners = sampling.align_corners;
  p.limit = sampling.limit;
  p.images = image.size(0);
  p.channels = image.size(1);
  p.warps = warps;
  p.width = image.size(3);
  p.height = image.size(2);
  p.points = points;
  p.image_stride = call.image.stride(0);
  p.image = call.image.data_ptr();
  p.fill = call.fill ? call.fill->data_ptr() : nullptr;
  return call;
}

constexpr int64_t samples_a_thread = 256;

Tensor run(Antialias& p, const std::vector<int64_t>& size, ScalarType dtype) {
  Tensor output = empty(size, false, dtype);
  p.output = output.data_ptr();
  Run sample = code();
  torch::stable::parallel_for(0, p.warps * p.points, samples_a_thread,
                              [&](int64_t begin, int64_t end) { sample(p, begin, end); });
  return output;
}

Tensor sample_antialiased(const Tensor& image, const Tensor& positions, const Tensor& jacobian, double limit, int64_t kernel,
                          double cubic_a, int64_t padding, const std::optional<Tensor>& fill, bool align_corners) {
  Sampling sampling{limit, kernel, cubic_a, padding, fill, align_corners};
  check(image, sampling);
  check_points(positions, image);
  check_points(jacobian, image);
  STD_TORCH_CHECK(positions.dim() == 4 && positions.size(3) == 2, "positions: expected (T, *out, 2)");
  STD_TORCH_CHECK(jacobian.dim() == 5 && jacobian.size(3) == 2 && jacobian.numel() == 2 * positions.numel(),
                  "jacobian: expected (T, *out, 2, 2)");
  Tensor where = torch::stable::contiguous(positions), slopes = torch::stable::contiguous(jacobian);
  Call call = describe(image, where.size(0), where.size(1) * where.size(2), sampling);
  call.problem.positions = where.data_ptr();
  call.problem.jacobian = slopes.data_ptr();
  return run(call.problem, {where.size(0), image.size(1), where.size(1), where.size(2)}, image.scalar_type());
}

Tensor warp_affine_antialiased(const Tensor& image, const Tensor& matrix, std::vector<int64_t> size, double limit, int64_t kernel,
                               double cubic_a, int64_t padding, const std::optional<Tensor>& fill, bool align_corners) {
  Sampling sampling{limit, kernel, cubic_a, padding, fill, align_corners};
  check(image, sampling);
  check_points(matrix, image);
  STD_TORCH_CHECK(matrix.dim() == 3 && matrix.size(1) == 2 && matrix.size(2) == 3, "matrix: expected (T, 2, 3)");
  STD_TORCH_CHECK(size.size() == 2 && size[0] > 0 && size[1] > 0, "size: expected two positive numbers");
  Tensor rows = torch::stable::contiguous(matrix);
  Call call = describe(image, rows.size(0), size[0] * size[1], sampling);
  call.problem.matrix = rows.data_ptr();
  call.problem.out_width = size[1];
  return run(call.problem, {rows.size(0), image.size(1), size[0], size[1]}, image.scalar_type());
}

}  // namespace
}  // namespace unwarp

STABLE_TORCH_LIBRARY_FRAGMENT(unwarp, m) {
#define UNWARP_ANTIALIASED "float limit, int kernel, float cubic_a, int padding, Tensor? fill, bool align_corners) -> Tensor"
  m.def("sample_antialiased(Tensor image, Tensor positions, Tensor jacobian, " UNWARP_ANTIALIASED);
  m.def("warp_affine_antialiased(Tensor image, Tensor matrix, SymInt[] size, " UNWARP_ANTIALIASED);
}

STABLE_TORCH_LIBRARY_IMPL(unwarp, CPU, m) {
  m.impl("sample_antialiased", TORCH_BOX(&unwarp::sample_antialiased));
  m.impl("warp_affine_antialiased", TORCH_BOX(&unwarp::warp_affine_antialiased));
}
