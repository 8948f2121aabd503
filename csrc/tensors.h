// What the ops need to know of a tensor, through the stable ABI.
#pragma once

#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <array>

#include "huge_pages.h"
#include "problem.h"

namespace unwarp {

using torch::stable::Tensor;
using torch::headeronly::MemoryFormat;
using torch::headeronly::ScalarType;

inline Element element_of(const Tensor& image) {
  switch (image.scalar_type()) {
    case ScalarType::Float: return Element::float32;
    case ScalarType::Double: return Element::float64;
    case ScalarType::BFloat16: return Element::bfloat16;
    case ScalarType::Half: return Element::float16;
    default: STD_TORCH_CHECK(false, "image: expected float32, float64, bfloat16 or float16"); return Element::float32;
  }
}

// Whether every image of the batch is dense in one of the two memory orders; axes of one pixel have no say.
inline bool dense(const Tensor& t, bool channels_last) {
  int64_t expected = channels_last ? t.size(1) : 1;
  for (int64_t d = t.dim() - 1; d > 1; --d) {
    if (t.size(d) != 1 && t.stride(d) != expected) return false;
    expected *= t.size(d);
  }
  return t.size(1) == 1 || t.stride(1) == (channels_last ? 1 : expected);
}

// The memory order of an op's result. `_memory_format` in unwarp/backends/native_ops.py says the same to the compiler.
inline bool prefers_channels_last(const Tensor& image) {
  return image.dim() > 3 && image.size(1) > 1 && image.stride(1) == 1 && !dense(image, false);
}

inline Tensor dense_image(const Tensor& t, bool channels_last) {
  if (dense(t, channels_last)) return t;
  if (!channels_last) return torch::stable::contiguous(t);
  return torch::stable::contiguous(t, t.dim() == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d);
}

// For tensors that are read as one block, the batch included.
inline Tensor dense_batch(const Tensor& t, bool channels_last) {
  Tensor image = dense_image(t, channels_last);
  bool packed = t.size(0) == 1 || image.stride(0) == image.numel() / image.size(0);
  if (packed) return image;
  if (!channels_last) return torch::stable::contiguous(t);
  return torch::stable::contiguous(t, t.dim() == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d);
}

template <class Sizes> Tensor empty(const Sizes& size, bool channels_last, ScalarType dtype) {
  std::array<int64_t, max_dimensions + 2> strides{};
  const auto rank = static_cast<int64_t>(size.size());
  int64_t step = channels_last ? size[1] : 1;
  for (int64_t d = rank - 1; d >= 0; --d) {
    if (channels_last && d == 1) continue;
    strides[static_cast<size_t>(d)] = step;
    step *= size[static_cast<size_t>(d)];
  }
  if (channels_last) strides[1] = 1;
  AtenTensorHandle handle = nullptr;
  TORCH_ERROR_CODE_CHECK(aoti_torch_empty_strided(rank, size.data(), strides.data(),
                                                  torch::stable::detail::to<int32_t>(torch::stable::detail::from(dtype)),
                                                  aoti_torch_device_type_cpu(), 0, &handle));
  Tensor result(handle);
  prefer_huge_pages(result.data_ptr(), static_cast<size_t>(result.numel()) * result.element_size());
  return result;
}

}  // namespace unwarp
