// The ops' schemas, and what stands between a tensor and the engines: checks, memory order, threads.
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>
#include <vector>

#include "tensors.h"

namespace unwarp {
namespace {

// How samples are taken: the arguments every op ends with.
struct Sampling {
  int64_t kernel;
  double cubic_a;
  int64_t padding;
  const std::optional<Tensor>& fill;
  bool align_corners;
};

// A problem, and the tensors that its pointers lead into.
struct Call {
  Problem problem{};
  Tensor image, theta;
  std::optional<Tensor> fill, basis;
};

Call describe(const Tensor& image, const Tensor& theta, const Sampling& sampling, Points points) {
  int64_t dimensions = image.dim() - 2;
  STD_TORCH_CHECK(dimensions >= 1 && dimensions <= max_dimensions, "image: expected (N, C, *spatial) with 1 to 3 spatial dimensions");
  STD_TORCH_CHECK(image.is_cpu() && theta.is_cpu(), "unwarp's native ops run on the CPU");
  STD_TORCH_CHECK(sampling.kernel >= 0 && sampling.kernel <= 2 && sampling.padding >= 0 && sampling.padding <= 4, "unknown kernel or padding");
  bool channels_last = prefers_channels_last(image);
  Call call{{}, dense_image(image, channels_last), torch::stable::contiguous(theta), std::nullopt, std::nullopt};
  Problem& p = call.problem;
  p.dimensions = static_cast<int>(dimensions);
  p.element = element_of(image);
  p.wide = theta.scalar_type() == ScalarType::Double;
  STD_TORCH_CHECK(p.wide || theta.scalar_type() == ScalarType::Float, "theta: expected float32 or float64");
  STD_TORCH_CHECK(p.wide || p.element != Element::float64, "theta: expected float64 beside a float64 image");
  p.kernel = static_cast<Kernel>(sampling.kernel);
  p.cubic_a = sampling.cubic_a;
  p.padding = static_cast<Padding>(sampling.padding);
  p.align_corners = sampling.align_corners;
  p.channels_last = channels_last;
  p.images = image.size(0);
  p.channels = image.size(1);
  p.thetas = theta.size(0);
  STD_TORCH_CHECK(image.numel() > 0 && theta.numel() > 0, "expected no empty tensor");
  STD_TORCH_CHECK(p.thetas % p.images == 0, "theta: expected a multiple of the image's batch");
  p.in_pixels = 1;
  for (int d = 0; d < p.dimensions; ++d) {
    p.in_size[d] = image.size(image.dim() - 1 - d);
    p.in_pixels *= p.in_size[d];
  }
  STD_TORCH_CHECK(p.wide || p.in_pixels < (int64_t{1} << 30), "theta: expected float64 for images of 2^30 pixels or more");
  p.image_stride = call.image.stride(0);
  p.image = call.image.data_ptr();
  p.points = points;
  p.theta = call.theta.data_ptr();
  p.theta_numel = theta.numel() / theta.size(0);
  p.bands = 1;
  p.threads = torch::stable::get_num_threads();
  STD_TORCH_CHECK((p.padding == Padding::fill) == sampling.fill.has_value(), "fill: expected with fill padding alone");
  if (sampling.fill) {
    STD_TORCH_CHECK(sampling.fill->numel() == p.channels && sampling.fill->scalar_type() == theta.scalar_type(),
                    "fill: expected one value a channel in theta's dtype");
    call.fill = torch::stable::contiguous(*sampling.fill);
    p.fill = call.fill->data_ptr();
  }
  return call;
}

template <class Sizes> void set_size(Problem& p, const Sizes& size, size_t first) {
  STD_TORCH_CHECK(size.size() == first + static_cast<size_t>(p.dimensions), "size: expected one entry a spatial dimension");
  p.out_pixels = 1;
  for (int d = 0; d < p.dimensions; ++d) {
    p.out_size[d] = size[size.size() - 1 - static_cast<size_t>(d)];
    STD_TORCH_CHECK(p.out_size[d] > 0, "size: expected at least one pixel along every axis");
    p.out_pixels *= p.out_size[d];
  }
}

void set_scale(Problem& p, const std::vector<double>& scale) {
  STD_TORCH_CHECK(static_cast<int>(scale.size()) == p.dimensions, "scale: expected one factor a spatial dimension");
  std::copy(scale.begin(), scale.end(), p.scale);
}

Call describe_grid(const Tensor& image, const Tensor& grid, const std::vector<double>& scale, const Sampling& sampling) {
  Call call = describe(image, grid, sampling, Points::grid);
  Problem& p = call.problem;
  STD_TORCH_CHECK(grid.dim() == image.dim() && grid.size(grid.dim() - 1) == p.dimensions, "grid: expected (T, *out, D)");
  auto sizes = grid.sizes();
  set_size(p, std::vector<int64_t>(sizes.begin() + 1, sizes.end() - 1), 0);
  set_scale(p, scale);
  return call;
}

Call describe_matrix(const Tensor& image, const Tensor& matrix, const Sampling& sampling) {
  Call call = describe(image, matrix, sampling, Points::matrix);
  Problem& p = call.problem;
  p.matrix_rows = matrix.dim() == 3 ? matrix.size(1) : 0;
  STD_TORCH_CHECK((p.matrix_rows == p.dimensions || p.matrix_rows == p.dimensions + 1) && matrix.size(2) == p.dimensions + 1,
                  "matrix: expected (T, D or D + 1, D + 1)");
  return call;
}

void set_basis(Call& call, const Tensor& coefficients, const Tensor& basis, const std::vector<double>& ratio) {
  Problem& p = call.problem;
  STD_TORCH_CHECK(coefficients.dim() == 3 && coefficients.size(2) == p.dimensions, "coefficients: expected (T, K, D)");
  STD_TORCH_CHECK(basis.dim() == 2 && basis.size(0) == p.out_pixels && basis.size(1) == coefficients.size(1) && basis.is_cpu() &&
                      basis.scalar_type() == coefficients.scalar_type(),
                  "basis: expected (output pixels, K) in the dtype of the coefficients");
  set_scale(p, ratio);
  call.basis = basis;
  p.basis = basis.data_ptr();
  p.basis_size = basis.size(1);
  p.basis_pixel_stride = basis.stride(0);
  p.basis_term_stride = basis.stride(1);
}

// Fewer elements than this are not worth waking a thread for.
constexpr int64_t elements_a_thread = 1 << 14;

int64_t grain(int64_t elements, int64_t items) {
  return std::max<int64_t>(1, elements_a_thread / std::max<int64_t>(1, elements / items));
}

Tensor run_forward(Call& call) {
  Problem& p = call.problem;
  std::vector<int64_t> size{p.thetas, p.channels};
  for (int d = p.dimensions - 1; d >= 0; --d) size.push_back(p.out_size[d]);
  Tensor output = empty(size, p.channels_last, call.image.scalar_type());
  p.output = output.data_ptr();
  const Engine& run = engine();
  int64_t items = run.forward_items(p);
  torch::stable::parallel_for(0, items, grain(output.numel(), items),
                              [&](int64_t begin, int64_t end) { run.forward(p, begin, end); });
  return output;
}

// One band an image where there are images enough; else bands, so that every thread has a part of the gradient of its
// own and the order of additions never depends on which thread came first.
int64_t bands(const Problem& p) {
  int64_t threads = p.threads, slowest = p.in_size[p.dimensions - 1];
  bool small = p.thetas * p.out_pixels * p.channels < 4 * elements_a_thread;
  if (small || p.dimensions == 1 || p.images % threads == 0 || p.images >= 4 * threads) return 1;
  int64_t even = threads / std::gcd(threads, p.images);
  return std::min({even, (4 * threads + p.images - 1) / p.images, slowest});
}

void sum_bands(const std::vector<double>& partial, const Problem& p, const Tensor& out) {
  int64_t count = p.thetas * p.theta_numel;
  for (int64_t i = 0; i < count; ++i) {
    double total = 0;
    for (int64_t b = 0; b < p.bands; ++b) total += partial[static_cast<size_t>(b * count + i)];
    if (p.wide) static_cast<double*>(out.data_ptr())[i] = total;
    else static_cast<float*>(out.data_ptr())[i] = static_cast<float>(total);
  }
}

// The gradients of (image, theta); an empty tensor for one that is not needed.
std::tuple<Tensor, Tensor> run_backward(Call& call, const Tensor& grad, bool image_needed, bool theta_needed) {
  Problem& p = call.problem;
  STD_TORCH_CHECK(grad.is_cpu() && grad.dim() == call.image.dim() && grad.scalar_type() == call.image.scalar_type() &&
                      grad.size(0) == p.thetas && grad.size(1) == p.channels,
                  "grad: expected the shape and dtype of the output");
  Tensor upstream = dense_batch(grad, p.channels_last);
  p.grad_output = upstream.data_ptr();
  const std::vector<int64_t> none{0};
  auto image_size = call.image.sizes();
  auto theta_size = call.theta.sizes();
  Tensor grad_image = image_needed ? empty(image_size, p.channels_last, call.image.scalar_type()) : empty(none, false, call.image.scalar_type());
  Tensor grad_theta = empty(theta_needed ? std::vector<int64_t>(theta_size.begin(), theta_size.end()) : none, false, call.theta.scalar_type());
  p.grad_image = image_needed ? grad_image.data_ptr() : nullptr;
  p.grad_theta = theta_needed ? grad_theta.data_ptr() : nullptr;
  p.bands = bands(p);
  std::vector<double> partial;
  if (theta_needed && p.points != Points::grid) partial.resize(static_cast<size_t>(p.bands * p.thetas * p.theta_numel));
  p.grad_theta_partial = partial.empty() ? nullptr : partial.data();
  const Engine& run = engine();
  int64_t items = p.images * p.bands;
  torch::stable::parallel_for(0, items, grain(upstream.numel(), items),
                              [&](int64_t begin, int64_t end) { run.backward(p, begin, end); });
  if (!partial.empty()) sum_bands(partial, p, grad_theta);
  return {grad_image, grad_theta};
}

using Floats = std::vector<double>;
using Integers = std::vector<int64_t>;
using Fill = std::optional<Tensor>;

Tensor sample_grid(const Tensor& image, const Tensor& grid, Floats scale, int64_t kernel, double cubic_a, int64_t padding,
                   const Fill& fill, bool align_corners) {
  Call call = describe_grid(image, grid, scale, {kernel, cubic_a, padding, fill, align_corners});
  return run_forward(call);
}

Tensor warp_matrix(const Tensor& image, const Tensor& matrix, Integers size, int64_t kernel, double cubic_a, int64_t padding,
                   const Fill& fill, bool align_corners) {
  Call call = describe_matrix(image, matrix, {kernel, cubic_a, padding, fill, align_corners});
  set_size(call.problem, size, 0);
  return run_forward(call);
}

Tensor warp_basis(const Tensor& image, const Tensor& coefficients, const Tensor& basis, Floats ratio, Integers size,
                  int64_t kernel, double cubic_a, int64_t padding, const Fill& fill, bool align_corners) {
  Call call = describe(image, coefficients, {kernel, cubic_a, padding, fill, align_corners}, Points::basis);
  set_size(call.problem, size, 0);
  set_basis(call, coefficients, basis, ratio);
  return run_forward(call);
}

std::tuple<Tensor, Tensor> sample_grid_backward(const Tensor& grad, const Tensor& image, const Tensor& grid, Floats scale,
                                                int64_t kernel, double cubic_a, int64_t padding, const Fill& fill,
                                                bool align_corners, bool image_needed, bool theta_needed) {
  Call call = describe_grid(image, grid, scale, {kernel, cubic_a, padding, fill, align_corners});
  return run_backward(call, grad, image_needed, theta_needed);
}

std::tuple<Tensor, Tensor> warp_matrix_backward(const Tensor& grad, const Tensor& image, const Tensor& matrix, int64_t kernel,
                                                double cubic_a, int64_t padding, const Fill& fill, bool align_corners,
                                                bool image_needed, bool theta_needed) {
  Call call = describe_matrix(image, matrix, {kernel, cubic_a, padding, fill, align_corners});
  set_size(call.problem, grad.sizes(), 2);
  return run_backward(call, grad, image_needed, theta_needed);
}

std::tuple<Tensor, Tensor> warp_basis_backward(const Tensor& grad, const Tensor& image, const Tensor& coefficients,
                                               const Tensor& basis, Floats ratio, int64_t kernel, double cubic_a,
                                               int64_t padding, const Fill& fill, bool align_corners, bool image_needed,
                                               bool theta_needed) {
  Call call = describe(image, coefficients, {kernel, cubic_a, padding, fill, align_corners}, Points::basis);
  set_size(call.problem, grad.sizes(), 2);
  set_basis(call, coefficients, basis, ratio);
  return run_backward(call, grad, image_needed, theta_needed);
}

}  // namespace
}  // namespace unwarp

STABLE_TORCH_LIBRARY(unwarp, m) {
#define UNWARP_SAMPLING "int kernel, float cubic_a, int padding, Tensor? fill, bool align_corners"
#define UNWARP_NEEDED ", bool image_needed, bool theta_needed) -> (Tensor, Tensor)"
  m.def("sample_grid(Tensor image, Tensor grid, float[] scale, " UNWARP_SAMPLING ") -> Tensor");
  m.def("warp_matrix(Tensor image, Tensor matrix, SymInt[] size, " UNWARP_SAMPLING ") -> Tensor");
  m.def("warp_basis(Tensor image, Tensor coefficients, Tensor basis, float[] ratio, SymInt[] size, " UNWARP_SAMPLING ") -> Tensor");
  m.def("sample_grid_backward(Tensor grad, Tensor image, Tensor grid, float[] scale, " UNWARP_SAMPLING UNWARP_NEEDED);
  m.def("warp_matrix_backward(Tensor grad, Tensor image, Tensor matrix, " UNWARP_SAMPLING UNWARP_NEEDED);
  m.def("warp_basis_backward(Tensor grad, Tensor image, Tensor coefficients, Tensor basis, float[] ratio, " UNWARP_SAMPLING UNWARP_NEEDED);
}

STABLE_TORCH_LIBRARY_IMPL(unwarp, CPU, m) {
  m.impl("sample_grid", TORCH_BOX(&unwarp::sample_grid));
  m.impl("warp_matrix", TORCH_BOX(&unwarp::warp_matrix));
  m.impl("warp_basis", TORCH_BOX(&unwarp::warp_basis));
  m.impl("sample_grid_backward", TORCH_BOX(&unwarp::sample_grid_backward));
  m.impl("warp_matrix_backward", TORCH_BOX(&unwarp::warp_matrix_backward));
  m.impl("warp_basis_backward", TORCH_BOX(&unwarp::warp_basis_backward));
}

// Importing the module loads the ops; it also says which instruction set they use.
static PyObject* instruction_set(PyObject*, PyObject*) {
  try {
    return PyUnicode_FromString(unwarp::engine().name);
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
}

static PyMethodDef methods[] = {
    {"instruction_set", instruction_set, METH_NOARGS, "Name of the instruction set in use."}, {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr};

PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&module); }
