// From a problem to the pipeline of its types, dimensions and kernel. Included by one translation unit for each
// instruction set.
#pragma once

#include "sample.h"

namespace unwarp {
namespace {

// Calls use(Sampler type) for the types, dimensions and taps of a problem.
template <class S, class A, int D, class F> inline auto with_kernel(const Problem& p, const F& use) {
  if (p.kernel == Kernel::nearest) return use(static_cast<Sampler<S, A, D, 1>*>(nullptr));
  if (p.kernel == Kernel::linear) return use(static_cast<Sampler<S, A, D, 2>*>(nullptr));
  return use(static_cast<Sampler<S, A, D, 4>*>(nullptr));
}

template <class S, class A, class F> inline auto with_dimensions(const Problem& p, const F& use) {
  if (p.dimensions == 1) return with_kernel<S, A, 1>(p, use);
  if (p.dimensions == 2) return with_kernel<S, A, 2>(p, use);
  return with_kernel<S, A, 3>(p, use);
}

template <class F> inline auto with_sampler(const Problem& p, const F& use) {
#ifdef UNWARP_WIDE
  if (p.wide) {
    if (p.element == Element::float64) return with_dimensions<double, double>(p, use);
    if (p.element == Element::float32) return with_dimensions<float, double>(p, use);
    if (p.element == Element::bfloat16) return with_dimensions<bfloat16, double>(p, use);
    return with_dimensions<float16, double>(p, use);
  }
#endif
  if (p.element == Element::float32) return with_dimensions<float, float>(p, use);
  if (p.element == Element::bfloat16) return with_dimensions<bfloat16, float>(p, use);
  return with_dimensions<float16, float>(p, use);
}

template <class P> struct Pointee;
template <class T> struct Pointee<T*> { using type = T; };

int64_t forward_items(const Problem& p) {
  return with_sampler(p, [&](auto* s) { return Pointee<decltype(s)>::type::forward_items(p); });
}
void forward(const Problem& p, int64_t begin, int64_t end) {
  with_sampler(p, [&](auto* s) { Pointee<decltype(s)>::type::forward(p, begin, end); });
}
void backward(const Problem& p, int64_t begin, int64_t end) {
  with_sampler(p, [&](auto* s) { Pointee<decltype(s)>::type::backward(p, begin, end); });
}

}  // namespace
}  // namespace unwarp
