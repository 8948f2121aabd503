// The ops that follow particles through a continuous piecewise-affine velocity field: schemas, checks, threads.
#include <torch/csrc/stable/library.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <tuple>
#include <vector>

#include "field.h"
#include "tensors.h"

namespace unwarp {
namespace {

const FieldEngine& code() {
#ifdef UNWARP_X86
  if (std::strcmp(engine().name, "avx512") == 0) return field_avx512();
  if (std::strcmp(engine().name, "avx2") == 0) return field_avx2();
#endif
  return field_baseline();
}

// A field, and the tensors that its pointers lead into.
struct Call {
  Field field{};
  Tensor velocities, points;
};

// Points that an expanded batch shares are read in place.
Tensor dense_points(const Tensor& points) {
  int64_t dimensions = points.size(2);
  bool dense = points.stride(2) == 1 && points.stride(1) == dimensions;
  return dense ? points : torch::stable::contiguous(points);
}

int64_t nodes_of(const std::vector<int64_t>& boxes) {
  int64_t nodes = 1;
  for (int64_t n : boxes) nodes *= 2 * (n + 2) + 1;
  return nodes;
}

// Few enough that their sums are small beside the points, and no fewer for fewer threads: the same additions anywhere.
constexpr int64_t points_a_part = 2048, most_parts = 32;

Call describe(const Tensor& velocities, const Tensor& points, const std::vector<int64_t>& boxes, int64_t stages) {
  auto dtype = points.scalar_type();
  STD_TORCH_CHECK(points.is_cpu() && velocities.is_cpu(), "unwarp's native ops run on the CPU");
  STD_TORCH_CHECK(dtype == ScalarType::Float || dtype == ScalarType::Double, "points: expected float32 or float64");
  STD_TORCH_CHECK(velocities.scalar_type() == dtype, "velocities: expected the dtype of the points");
  STD_TORCH_CHECK(points.dim() == 3 && velocities.dim() == 3 && velocities.size(0) == points.size(0) && velocities.size(2) == points.size(2),
                  "expected velocities (B, nodes, D) and points (B, P, D)");
  STD_TORCH_CHECK(points.size(2) >= 1 && points.size(2) <= max_dimensions && points.numel() > 0, "points: expected 1 to 3 coordinates, and not none");
  STD_TORCH_CHECK(static_cast<int64_t>(boxes.size()) == points.size(2) && *std::min_element(boxes.begin(), boxes.end()) > 0 && stages > 0,
                  "boxes, stages: expected one positive number an axis, and at least one stage");
  STD_TORCH_CHECK(velocities.size(1) == nodes_of(boxes) && velocities.size(1) < (int64_t{1} << 31), "velocities: expected one a node of the mesh");
  Call call{{}, torch::stable::contiguous(velocities), dense_points(points)};
  Field& p = call.field;
  p.wide = dtype == ScalarType::Double;
  p.dimensions = static_cast<int>(points.size(2));
  std::reverse_copy(boxes.begin(), boxes.end(), p.boxes);
  p.stages = stages;
  p.batches = points.size(0);
  p.points = points.size(1);
  p.nodes = velocities.size(1);
  p.points_stride = call.points.stride(0);
  p.velocities = call.velocities.data_ptr();
  p.start = call.points.data_ptr();
  p.parts = std::min((p.points + points_a_part - 1) / points_a_part, most_parts);
  return call;
}

constexpr int64_t points_a_thread = 256;

int64_t grain(const Field& p) { return std::max<int64_t>(1, points_a_thread * p.parts / p.points); }

Tensor follow_field(const Tensor& velocities, const Tensor& points, std::vector<int64_t> boxes, int64_t stages) {
  Call call = describe(velocities, points, boxes, stages);
  Field& p = call.field;
  auto size = points.sizes();
  Tensor moved = empty(size, false, points.scalar_type());
  p.moved = moved.data_ptr();
  const FieldEngine& run = code();
  torch::stable::parallel_for(0, p.batches * p.parts, grain(p), [&](int64_t begin, int64_t end) { run.forward(p, begin, end); });
  return moved;
}

template <class A> void sum_parts(const Field& p, const std::vector<A>& sums, A* out) {
  int64_t count = p.nodes * p.dimensions;
  for (int64_t batch = 0; batch < p.batches; ++batch) {
    for (int64_t part = 0; part < p.parts; ++part) {
      const A* from = sums.data() + (batch * p.parts + part) * count;
      for (int64_t i = 0; i < count; ++i) out[batch * count + i] = part == 0 ? from[i] : out[batch * count + i] + from[i];
    }
  }
}

struct Free {
  void operator()(void* block) const { std::free(block); }
};

void run_adjoint(const Field& p) {
  const FieldEngine& run = code();
  torch::stable::parallel_for(0, p.batches * p.parts, grain(p), [&](int64_t begin, int64_t end) {
    std::unique_ptr<void, Free> scratch(std::aligned_alloc(64, static_cast<size_t>((run.scratch_bytes(p) + 63) / 64 * 64)));
    STD_TORCH_CHECK(scratch != nullptr, "out of memory");
    run.backward(p, begin, end, scratch.get());
  });
}

template <class A> void run_adjoint_and_sum(Field& p, Tensor& grad_velocities) {
  std::vector<A> sums(static_cast<size_t>(p.batches * p.parts * p.nodes * p.dimensions));
  p.grad_velocities = sums.data();
  run_adjoint(p);
  sum_parts<A>(p, sums, static_cast<A*>(grad_velocities.data_ptr()));
}

// The gradients of (velocities, points); an empty tensor for one that is not needed.
std::tuple<Tensor, Tensor> follow_field_backward(const Tensor& grad, const Tensor& velocities, const Tensor& points, std::vector<int64_t> boxes,
                                                 int64_t stages, bool velocities_needed, bool points_needed) {
  Call call = describe(velocities, points, boxes, stages);
  Field& p = call.field;
  STD_TORCH_CHECK(grad.is_cpu() && grad.dim() == 3 && grad.size(0) == p.batches && grad.size(1) == p.points && grad.size(2) == p.dimensions &&
                      grad.scalar_type() == points.scalar_type(),
                  "grad: expected the shape and dtype of the output");
  Tensor upstream = torch::stable::contiguous(grad);
  p.grad_moved = upstream.data_ptr();
  const std::vector<int64_t> none{0};
  auto whole = points.sizes(), field = velocities.sizes();
  Tensor grad_points = points_needed ? empty(whole, false, points.scalar_type()) : empty(none, false, points.scalar_type());
  Tensor grad_velocities = velocities_needed ? empty(field, false, points.scalar_type()) : empty(none, false, points.scalar_type());
  p.grad_start = points_needed ? grad_points.data_ptr() : nullptr;
  p.grad_velocities = nullptr;
  if (!velocities_needed) run_adjoint(p);
  else if (p.wide) run_adjoint_and_sum<double>(p, grad_velocities);
  else run_adjoint_and_sum<float>(p, grad_velocities);
  return {grad_velocities, grad_points};
}

}  // namespace
}  // namespace unwarp

STABLE_TORCH_LIBRARY_FRAGMENT(unwarp, m) {
  m.def("follow_field(Tensor velocities, Tensor points, int[] boxes, int stages) -> Tensor");
  m.def("follow_field_backward(Tensor grad, Tensor velocities, Tensor points, int[] boxes, int stages, bool velocities_needed, bool points_needed) -> (Tensor, Tensor)");
}

STABLE_TORCH_LIBRARY_IMPL(unwarp, CPU, m) {
  m.impl("follow_field", TORCH_BOX(&unwarp::follow_field));
  m.impl("follow_field_backward", TORCH_BOX(&unwarp::follow_field_backward));
}
