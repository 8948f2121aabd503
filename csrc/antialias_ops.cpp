// The ops of anti-aliased sampling and of its adjoint: schemas, and what stands between tensors and their code.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>
#include <vector>

#include "antialias.h"
#include "tensors.h"

namespace unwarp {
namespace {

const AntialiasEngine& code() {
#ifdef UNWARP_X86
  if (std::strcmp(engine().name, "avx512") == 0) return antialias_avx512();
  if (std::strcmp(engine().name, "avx2") == 0) return antialias_avx2();
#endif
  return antialias_baseline();
}

// How samples are taken: the arguments that all ops have.
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
  std::vector<Tensor> points;   // positions and Jacobians, or matrices
  std::vector<int64_t> size;    // of the output
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
  check(image, sampling);
  Call call{{}, dense_image(image, false), std::nullopt, {}, {}};
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

Call at_positions(const Tensor& image, const Tensor& positions, const Tensor& jacobian, const Sampling& sampling) {
  check_points(positions, image);
  check_points(jacobian, image);
  STD_TORCH_CHECK(positions.dim() == 4 && positions.size(3) == 2, "positions: expected (T, *out, 2)");
  STD_TORCH_CHECK(jacobian.dim() == 5 && jacobian.size(3) == 2 && jacobian.numel() == 2 * positions.numel(),
                  "jacobian: expected (T, *out, 2, 2)");
  Call call = describe(image, positions.size(0), positions.size(1) * positions.size(2), sampling);
  call.points = {torch::stable::contiguous(positions), torch::stable::contiguous(jacobian)};
  call.size = {positions.size(1), positions.size(2)};
  call.problem.positions = call.points[0].data_ptr();
  call.problem.jacobian = call.points[1].data_ptr();
  return call;
}

Call under_matrix(const Tensor& image, const Tensor& matrix, const std::vector<int64_t>& size, const Sampling& sampling) {
  check_points(matrix, image);
  STD_TORCH_CHECK(matrix.dim() == 3 && matrix.size(1) == 2 && matrix.size(2) == 3, "matrix: expected (T, 2, 3)");
  STD_TORCH_CHECK(size.size() == 2 && size[0] > 0 && size[1] > 0, "size: expected two positive numbers");
  Call call = describe(image, matrix.size(0), size[0] * size[1], sampling);
  call.points = {torch::stable::contiguous(matrix)};
  call.size = size;
  call.problem.matrix = call.points[0].data_ptr();
  call.problem.out_width = size[1];
  return call;
}

constexpr int64_t samples_a_thread = 256;

Tensor run(Call call) {
  Antialias& p = call.problem;
  std::vector<int64_t> size{p.warps, p.channels, call.size[0], call.size[1]};
  Tensor output = empty(size, false, call.image.scalar_type());
  p.output = output.data_ptr();
  const AntialiasEngine& engine = code();
  torch::stable::parallel_for(0, p.warps * p.points, samples_a_thread, [&](int64_t begin, int64_t end) { engine.forward(p, begin, end); });
  return output;
}

using Gradients = std::tuple<Tensor, Tensor, Tensor>;

// Of the image, the positions, and the inverse of the stretch; empty tensors for those that are not needed.
Gradients run_backward(Call call, const Tensor& grad, bool image_needed, bool points_needed) {
  Antialias& p = call.problem;
  auto dtype = call.image.scalar_type();
  STD_TORCH_CHECK(grad.is_cpu() && grad.scalar_type() == dtype && grad.dim() == 4 && grad.size(0) == p.warps && grad.size(1) == call.size[0] &&
                      grad.size(2) == call.size[1] && grad.size(3) == p.channels,
                  "grad: expected (T, *out, channels) in the image's dtype");
  Tensor upstream = torch::stable::contiguous(grad);
  p.grad = upstream.data_ptr();
  const std::vector<int64_t> none{0};
  const AntialiasEngine& engine = code();
  Tensor positions = empty(points_needed ? std::vector<int64_t>{p.warps, p.points, 2} : none, false, dtype);
  Tensor inverse = empty(points_needed ? std::vector<int64_t>{p.warps, p.points, 2, 2} : none, false, dtype);
  Tensor image = empty(image_needed ? std::vector<int64_t>{p.images, p.channels, p.height, p.width} : none, false, dtype);
  if (points_needed) {
    p.grad_positions = positions.data_ptr();
    p.grad_inverse = inverse.data_ptr();
    torch::stable::parallel_for(0, p.warps * p.points, samples_a_thread,
                                [&](int64_t begin, int64_t end) { engine.points_backward(p, begin, end); });
  }
  if (image_needed) {
    torch::stable::zero_(image);
    p.grad_image = image.data_ptr();
    int64_t blocks = (p.channels + engine.block - 1) / engine.block;
    torch::stable::parallel_for(0, p.images * blocks, 1, [&](int64_t begin, int64_t end) { engine.image_backward(p, begin, end); });
  }
  return {image, positions, inverse};
}

Tensor sample_antialiased(const Tensor& image, const Tensor& positions, const Tensor& jacobian, double limit, int64_t kernel,
                          double cubic_a, int64_t padding, const std::optional<Tensor>& fill, bool align_corners) {
  return run(at_positions(image, positions, jacobian, {limit, kernel, cubic_a, padding, fill, align_corners}));
}

Tensor warp_affine_antialiased(const Tensor& image, const Tensor& matrix, std::vector<int64_t> size, double limit, int64_t kernel,
                               double cubic_a, int64_t padding, const std::optional<Tensor>& fill, bool align_corners) {
  return run(under_matrix(image, matrix, size, {limit, kernel, cubic_a, padding, fill, align_corners}));
}

Gradients sample_antialiased_backward(const Tensor& grad, const Tensor& image, const Tensor& positions, const Tensor& jacobian, double limit,
                                      int64_t kernel, double cubic_a, int64_t padding, const std::optional<Tensor>& fill, bool align_corners,
                                      bool image_needed, bool points_needed) {
  Sampling sampling{limit, kernel, cubic_a, padding, fill, align_corners};
  return run_backward(at_positions(image, positions, jacobian, sampling), grad, image_needed, points_needed);
}

Gradients warp_affine_antialiased_backward(const Tensor& grad, const Tensor& image, const Tensor& matrix, double limit, int64_t kernel,
                                           double cubic_a, int64_t padding, const std::optional<Tensor>& fill, bool align_corners,
                                           bool image_needed, bool points_needed) {
  Sampling sampling{limit, kernel, cubic_a, padding, fill, align_corners};
  STD_TORCH_CHECK(grad.dim() == 4, "grad: expected (T, *out, channels)");
  return run_backward(under_matrix(image, matrix, {grad.size(1), grad.size(2)}, sampling), grad, image_needed, points_needed);
}

}  // namespace
}  // namespace unwarp

STABLE_TORCH_LIBRARY_FRAGMENT(unwarp, m) {
#define UNWARP_SAMPLING "float limit, int kernel, float cubic_a, int padding, Tensor? fill, bool align_corners"
#define UNWARP_NEEDED ", bool image_needed, bool points_needed) -> (Tensor, Tensor, Tensor)"
  m.def("sample_antialiased(Tensor image, Tensor positions, Tensor jacobian, " UNWARP_SAMPLING ") -> Tensor");
  m.def("warp_affine_antialiased(Tensor image, Tensor matrix, SymInt[] size, " UNWARP_SAMPLING ") -> Tensor");
  m.def("sample_antialiased_backward(Tensor grad, Tensor image, Tensor positions, Tensor jacobian, " UNWARP_SAMPLING UNWARP_NEEDED);
  m.def("warp_affine_antialiased_backward(Tensor grad, Tensor image, Tensor matrix, " UNWARP_SAMPLING UNWARP_NEEDED);
}

STABLE_TORCH_LIBRARY_IMPL(unwarp, CPU, m) {
  m.impl("sample_antialiased", TORCH_BOX(&unwarp::sample_antialiased));
  m.impl("warp_affine_antialiased", TORCH_BOX(&unwarp::warp_affine_antialiased));
  m.impl("sample_antialiased_backward", TORCH_BOX(&unwarp::sample_antialiased_backward));
  m.impl("warp_affine_antialiased_backward", TORCH_BOX(&unwarp::warp_affine_antialiased_backward));
}
