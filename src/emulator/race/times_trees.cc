#include "emulator/race/times_trees.h"

#include <algorithm>

namespace slipstream::emulator::race {
namespace {

bool includes(std::span<const uint32_t> a, std::span<const uint32_t> b) {
  uint32_t less = 0;
  for (size_t i = 0; i < a.size(); ++i) less |= a[i] < b[i] ? 1 : 0;
  return less == 0;
}

}  // namespace

TimesTrees::Tree TimesTrees::add(const Node& node) {
  nodes_.push_back(node);
  return static_cast<Tree>(nodes_.size() - 1);
}

TimesTrees::Tree TimesTrees::leaf(ClusterId cluster, std::span<const uint32_t> numbers) {
  const auto first = static_cast<uint32_t>(numbers_.size());
  numbers_.insert(numbers_.end(), numbers.begin(), numbers.end());
  return add({cluster, 0, first, static_cast<uint32_t>(numbers.size())});
}

TimesTrees::Tree TimesTrees::merge_leaves(Tree a, Tree b) {
  const Node of_a = nodes_[a];
  const Node of_b = nodes_[b];
  if (includes(numbers_of(of_a), numbers_of(of_b))) return a;
  if (includes(numbers_of(of_b), numbers_of(of_a))) return b;
  const auto first = static_cast<uint32_t>(numbers_.size());
  for (uint32_t i = 0; i < of_a.high; ++i) {
    numbers_.push_back(std::max(numbers_[of_a.low + i], numbers_[of_b.low + i]));
  }
  return add({of_a.key, 0, first, of_a.high});
}

TimesTrees::Tree TimesTrees::with_branches(Tree with, Tree low, Tree high) {
  const Node node = nodes_[with];
  return low == node.low && high == node.high ? with : add({node.key, node.bit, low, high});
}

// All clusters of `below` belong to one branch of `above`.
TimesTrees::Tree TimesTrees::merge_below(Tree above, Tree below) {
  const Node node = nodes_[above];
  return (nodes_[below].key & node.bit) == 0
             ? with_branches(above, merge(node.low, below), node.high)
             : with_branches(above, node.low, merge(node.high, below));
}

// They have no cluster in common, and none of the one is between those of the other.
TimesTrees::Tree TimesTrees::fork(Tree a, Tree b) {
  const ClusterId key = nodes_[a].key;
  const uint32_t bit = std::bit_floor(key ^ nodes_[b].key);
  const bool is_high = (key & bit) != 0;
  return add({key & ~(2 * bit - 1), bit, is_high ? b : a, is_high ? a : b});
}

TimesTrees::Tree TimesTrees::merge(Tree a, Tree b) {
  if (a == b || b == 0) return a;
  if (a == 0) return b;
  const Node of_a = nodes_[a];
  const Node of_b = nodes_[b];
  if (of_a.is_above(of_b)) return merge_below(a, b);
  if (of_b.is_above(of_a)) return merge_below(b, a);
  if (of_a.key != of_b.key || of_a.bit != of_b.bit) return fork(a, b);
  if (of_a.bit == 0) return merge_leaves(a, b);
  const Tree low = merge(of_a.low, of_b.low);
  const Tree high = merge(of_a.high, of_b.high);
  return low == of_b.low && high == of_b.high ? b : with_branches(a, low, high);
}

std::span<const uint32_t> TimesTrees::numbers(Tree tree, ClusterId cluster) const {
  while (tree != 0 && nodes_[tree].bit != 0) {
    const Node& node = nodes_[tree];
    if (!node.has(cluster)) return {};
    tree = (cluster & node.bit) == 0 ? node.low : node.high;
  }
  return tree != 0 && nodes_[tree].key == cluster ? numbers_of(nodes_[tree])
                                                  : std::span<const uint32_t>();
}

void TimesTrees::clear() {
  nodes_.resize(1);
  numbers_.clear();
}

}  // namespace slipstream::emulator::race
