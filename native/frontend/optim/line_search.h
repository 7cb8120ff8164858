// The line search of L-BFGS: a step length that satisfies the strong Wolfe conditions.
// Source: Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6; the constants are those of
// torch.optim.LBFGS.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include "flambeau/tensor.h"

namespace flambeau::optim {

/// The objective at one step length: value, gradient, and the gradient's component along the direction.
struct Point {
  double t, f;
  Tensor g;
  double slope;
};

/// Minimiser of the cubic through two points with their slopes, kept within bounds (those points unless given).
inline double cubicMinimum(const Point& a, const Point& b, std::optional<std::pair<double, double>> bounds = {}) {
  const auto [lo, hi] = bounds.value_or(std::pair(std::min(a.t, b.t), std::max(a.t, b.t)));
  const double d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t), square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (lo + hi) / 2;
  const double d2 = std::sqrt(square);
  const Point &left = a.t <= b.t ? a : b, &right = a.t <= b.t ? b : a;
  const double at = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2));
  return std::min(std::max(at, lo), hi);
}

/// Searches from `start` (length 0). `size` is the largest component of the direction. The best point and the number of
/// evaluations.
inline std::pair<Point, int64_t> strongWolfe(const std::function<Point(double)>& evaluate, const Point& start,
                                             double first, double size, double tolerance) {
  constexpr double kDecrease = 1e-4, kCurvature = 0.9;
  constexpr int kMaxSteps = 25;
  const auto tooHigh = [&](const Point& p) { return p.f > start.f + kDecrease * p.t * start.slope; };
  const auto flat = [&](const Point& p) { return std::fabs(p.slope) <= -kCurvature * start.slope; };
  Point previous = start, now = evaluate(first);
  int64_t evaluations = 1;
  int steps = 0;
  std::optional<std::pair<Point, Point>> found;
  for (; steps < kMaxSteps; ++steps) {
    if (tooHigh(now) || (steps > 1 && now.f >= previous.f))
      found = {previous, now};
    else if (flat(now))
      return {now, evaluations};
    else if (now.slope >= 0)
      found = {previous, now};
    if (found) break;
    const double t = cubicMinimum(previous, now, std::pair(now.t + 0.01 * (now.t - previous.t), now.t * 10));
    previous = now;
    now = evaluate(t);
    ++evaluations;
  }
  Point ends[2] = {found ? found->first : start, found ? found->second : now};
  int low = ends[0].f <= ends[1].f ? 0 : 1;
  bool stalled = false;
  for (bool done = false; !done && steps < kMaxSteps; ++steps) {
    const double least = std::min(ends[0].t, ends[1].t), most = std::max(ends[0].t, ends[1].t);
    if ((most - least) * size < tolerance) break;
    double t = cubicMinimum(ends[0], ends[1]);
    // A step close to an end of the bracket twice in a row makes no progress: then move away from that end.
    const double margin = 0.1 * (most - least);
    if (std::min(most - t, t - least) < margin) {
      if (stalled || t >= most || t <= least) {
        t = std::fabs(t - most) < std::fabs(t - least) ? most - margin : least + margin;
        stalled = false;
      } else
        stalled = true;
    } else
      stalled = false;
    const Point next = evaluate(t);
    ++evaluations;
    const int high = 1 - low;
    if (tooHigh(next) || next.f >= ends[low].f) {
      ends[high] = next;
      low = ends[0].f <= ends[1].f ? 0 : 1;
    } else {
      if (flat(next))
        done = true;
      else if (next.slope * (ends[high].t - ends[low].t) >= 0)
        ends[high] = ends[low];
      ends[low] = next;
    }
  }
  return {ends[low], evaluations};
}

}  // namespace flambeau::optim
