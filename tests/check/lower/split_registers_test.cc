// One machine register holds one pointer after another, often under a predicate.
#include <gtest/gtest.h>

#include <set>

#include "check/analysis/origins.h"
#include "check/lower/control_flow.h"

namespace slipstream::check {
namespace {

constexpr uint32_t kPointer = 0;  // the register that everything here is about
constexpr uint32_t kP = 1;
constexpr uint32_t kOther = 2;  // another predicate
constexpr uint32_t kRegisters = 3;

struct Guard {
  uint32_t reg = kNone;
  bool negated = false;
};

// A kernel of moves out of parameters, loads and branches.
class Program {
 public:
  Program() { function_.register_count = kRegisters; }

  void point_to(int64_t parameter, Guard guard = {}) {
    start(Action::kNone, guard);
    builder_.last().compute = Compute::kMove;
    builder_.last().pointer_sources = 1;
    builder_.destination(kPointer);
    builder_.source({.kind = OperandKind::kParameter, .value = parameter});
  }
  void set_predicate(uint32_t reg, Guard guard = {}) {
    start(Action::kNone, guard);
    builder_.destination(reg);
    builder_.source({});
  }
  void load(Guard guard = {}) {
    start(Action::kLoad, guard);
    builder_.begin_address();
    builder_.source(register_operand(kPointer));
    builder_.end_address();
  }
  void branch(uint32_t to, Guard guard = {}) {
    start(Action::kBranch, guard);
    builder_.target(to);
  }
  void end() { start(Action::kExit, {}); }

  // The parameters that each load may read, in the order of the loads.
  std::vector<std::set<int64_t>> read() {
    split_registers(function_, build_control_flow(function_), kRegisters);
    const Origins origins = find_origins(function_);
    std::vector<std::set<int64_t>> result;
    for (uint32_t i = 0; i < function_.instructions.size(); ++i) {
      if (function_.instructions[i].action != Action::kLoad) continue;
      result.emplace_back();
      for (const Origin& origin : origins.memory_of(i)) result.back().insert(origin.value);
    }
    return result;
  }

 private:
  void start(Action action, Guard guard) {
    builder_.add(action);
    builder_.last().guard = guard.reg;
    builder_.last().guard_negated = guard.negated;
  }

  Function function_;
  FunctionBuilder builder_{function_};
};

using Reads = std::vector<std::set<int64_t>>;

TEST(SplitRegisters, AGuardedWriteIsAPointerOfItsOwnUnderItsGuard) {
  Program program;
  program.point_to(0);
  program.load();
  program.set_predicate(kP);
  program.point_to(8, {kP});
  program.load({kP});
  program.end();
  EXPECT_EQ(program.read(), (Reads{{0}, {8}}));
}

TEST(SplitRegisters, UnderTheOppositeGuardTheEarlierPointerIsRead) {
  Program program;
  program.set_predicate(kP);
  program.point_to(0);
  program.point_to(8, {kP});
  program.load({kP, true});
  program.end();
  EXPECT_EQ(program.read(), (Reads{{0}}));
}

TEST(SplitRegisters, WithoutTheGuardEitherIsRead) {
  Program program;
  program.set_predicate(kP);
  program.point_to(0);
  program.point_to(8, {kP});
  program.load();
  program.load({kOther});
  program.end();
  EXPECT_EQ(program.read(), (Reads{{0, 8}, {0, 8}}));
}

TEST(SplitRegisters, BothValuesOfAGuardReplaceThePointer) {
  Program program;
  program.set_predicate(kP);
  program.point_to(0);
  program.load();
  program.point_to(8, {kP});
  program.point_to(16, {kP, true});
  program.load();
  program.end();
  EXPECT_EQ(program.read(), (Reads{{0}, {8, 16}}));
}

TEST(SplitRegisters, APredicateThatIsWrittenAgainTellsNothing) {
  Program program;
  program.set_predicate(kP);
  program.point_to(0);
  program.point_to(8, {kP});
  program.set_predicate(kP);
  program.load({kP});
  program.end();
  EXPECT_EQ(program.read(), (Reads{{0, 8}}));
}

TEST(SplitRegisters, APredicateThatIsWrittenUnderAGuardTellsNothing) {
  Program program;
  program.set_predicate(kP);
  program.point_to(0);
  program.point_to(8, {kP});
  program.set_predicate(kP, {kOther});
  program.load({kP});
  program.end();
  EXPECT_EQ(program.read(), (Reads{{0, 8}}));
}

TEST(SplitRegisters, PastABranchItsGuardIsKnown) {
  Program program;
  program.set_predicate(kP);
  program.point_to(0);
  program.point_to(8, {kP});
  program.branch(6, {kP});
  program.load();  // not taken: P is false
  program.end();
  program.load();  // 6
  program.end();
  EXPECT_EQ(program.read(), (Reads{{0}, {8}}));
}

TEST(SplitRegisters, WhereWaysMeetEitherIsRead) {
  Program program;
  program.set_predicate(kP);
  program.point_to(0);
  program.point_to(8, {kP});
  program.branch(5, {kP});
  program.load();
  program.load();  // 5
  program.end();
  EXPECT_EQ(program.read(), (Reads{{0}, {0, 8}}));
}

TEST(SplitRegisters, WhatAGuardedWriteReplacesInEveryRoundOfALoopStaysApart) {
  Program program;
  program.point_to(0);
  program.load();
  program.set_predicate(kP);  // 2
  program.point_to(8, {kP});
  program.load({kP});
  program.set_predicate(kOther);
  program.branch(2, {kOther});
  program.end();
  EXPECT_EQ(program.read(), (Reads{{0}, {8}}));
}

}  // namespace
}  // namespace slipstream::check
