// What is known of clusters: a few numbers of each, such as the times of its warps, the highest of each that
// somebody was told of.
//
// A tree has the clusters at its leaves, by the bits of their numbers, and never changes. What is made of others shares
// all branches that are alike, so that merging costs as much as they differ (Okasaki and Gill, Fast Mergeable Integer
// Maps, 1998).
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace slipstream::emulator::race {

using ClusterId = uint32_t;  // counts the clusters that have run, over all grids

class TimesTrees {
 public:
  using Tree = uint32_t;  // 0: nothing is known

  // Of one cluster.
  Tree leaf(ClusterId cluster, std::span<const uint32_t> numbers);
  // The higher of both for each number: one of the two, where it includes the other. Both have as many of each cluster.
  Tree merge(Tree a, Tree b);
  // Empty where nothing is known of the cluster.
  [[nodiscard]] std::span<const uint32_t> numbers(Tree tree, ClusterId cluster) const;

  // Forgets every tree.
  void clear();

 private:
  struct Node {
    ClusterId key =
        0;  // a leaf's cluster; of a branch the bits above `bit`, which all below it share
    uint32_t bit = 0;   // that decides between `low` and `high`; 0: a leaf
    uint32_t low = 0;   // a leaf: where its numbers are
    uint32_t high = 0;  // a leaf: how many

    [[nodiscard]] bool is_above(const Node& other) const {
      return bit > other.bit && has(other.key);
    }
    [[nodiscard]] bool has(ClusterId cluster) const {
      return ((cluster ^ key) & ~(2 * bit - 1)) == 0;
    }
  };

  Tree add(const Node& node);
  Tree merge_leaves(Tree a, Tree b);
  // `with` is a branch, or what becomes of it when its branches are these.
  Tree with_branches(Tree with, Tree low, Tree high);
  Tree merge_below(Tree above, Tree below);
  Tree fork(Tree a, Tree b);
  [[nodiscard]] std::span<const uint32_t> numbers_of(const Node& leaf) const {
    return std::span(numbers_).subspan(leaf.low, leaf.high);
  }

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<uint32_t> numbers_;
};

}  // namespace slipstream::emulator::race
