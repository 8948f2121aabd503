// By how much anti-aliasing widens the kernel: S = f(J J^T), f(lambda) = max(sqrt(lambda), 1), in closed form. The same
// branches as in src/unwarp/backends/stretch.py, which derives them.
#pragma once

#include "lanes.h"

namespace unwarp {
namespace {

// A symmetric matrix.
struct Symmetric {
  double xx, xy, yy;
};

constexpr double steepest = 1 << 20;  // entries of a Jacobian are clamped to this
constexpr double round_off = 1e-6;    // eigenvalues that differ by less, relatively, count as equal

inline double clamped(double value, double low, double high) { return smaller(larger(value, low), high); }

inline Symmetric square_root(const Symmetric& b, double determinant) {
  double root = __builtin_sqrt(larger(b.xx + b.yy + 2 * determinant, 1.0));
  return {(b.xx + determinant) / root, b.xy / root, (b.yy + determinant) / root};
}

inline Symmetric mixed(const Symmetric& b, double mean, double spread, double determinant, double limit) {
  double half_gap = spread > 0 ? __builtin_sqrt(spread) : 1;
  double largest = larger(mean + half_gap, 1.0), smallest = determinant * determinant / largest;
  double f_1 = __builtin_sqrt(clamped(largest, 1, limit * limit)), f_2 = __builtin_sqrt(clamped(smallest, 1, limit * limit));
  double slope = (f_1 - f_2) / (2 * half_gap);
  return {f_2 + slope * (b.xx - smallest), slope * b.xy, f_2 + slope * (b.yy - smallest)};
}

// Of a Jacobian in rows; the unit matrix where it is NaN.
inline Symmetric stretch(const double (&jacobian)[4], double limit) {
  double j[4];
  for (int i = 0; i < 4; ++i) {
    if (jacobian[i] != jacobian[i]) return {1, 0, 1};
    j[i] = clamped(jacobian[i], -steepest, steepest);
  }
  Symmetric b{j[0] * j[0] + j[1] * j[1], j[0] * j[2] + j[1] * j[3], j[2] * j[2] + j[3] * j[3]};
  double determinant = __builtin_fabs(j[0] * j[3] - j[1] * j[2]);
  double mean = (b.xx + b.yy) / 2, spread = (b.xx - b.yy) * (b.xx - b.yy) / 4 + b.xy * b.xy;
  double largest = mean + __builtin_sqrt(spread), smallest = determinant * determinant / larger(largest, 1.0);
  if (largest <= 1) return {1, 0, 1};
  if (smallest >= limit * limit) return {limit, 0, limit};
  double equal = round_off * mean;
  bool inner = (smallest >= 1 && largest <= limit * limit) || spread <= equal * equal;
  return inner ? square_root(b, determinant) : mixed(b, mean, spread, determinant, limit);
}

inline Symmetric inverse(const Symmetric& s) {
  double determinant = s.xx * s.yy - s.xy * s.xy;
  return {s.yy / determinant, -s.xy / determinant, s.xx / determinant};
}

}  // namespace
}  // namespace unwarp
