#include "emulator/decoder/pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "emulator/decoder/table.h"

namespace slipstream::emulator {
namespace {

ptx::Opcode opcode_of(std::string_view text) {
  ptx::Opcode opcode;
  opcode.text = text;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    begin == 0 ? static_cast<void>(opcode.head = part) : opcode.modifiers.push_back(part);
    begin = end + 1;
  }
  return opcode;
}

// What ptxas 13.0 says of a spelling for sm_90a.
struct Spelling {
  std::string_view text;
  bool taken;
};
constexpr Spelling kSpellings[] = {
    // Modifiers are a set.
    {"fma.rn.ftz.f32", true},
    {"fma.ftz.rn.f32", true},
    {"fma.rn.f32.ftz", true},
    {"add.f32.rn", true},
    {"add.sat.ftz.rn.f32", true},
    {"setp.lt.and.f32", true},
    {"setp.f32.and.lt", true},
    {"setp.u32.lo", true},
    {"prmt.f4e.b32", true},
    {"ex2.ftz.approx.f32", true},
    {"bfind.u32.shiftamt", true},
    {"lop3.b32", true},
    {"ld.u32.global", true},
    {"ld.global.u32.v2", true},
    {"ld.v2.global.u32", true},
    {"ld.global.gpu.acquire.u32", true},
    {"ld.relaxed.mmio.global.sys.u32", true},
    {"ld.nc.global.u32", true},
    {"ld.global.L1::no_allocate.L2::128B.v4.f32", true},
    {"st.global.volatile.u32", true},
    {"st.global.u32.wb", true},
    {"atom.global.sys.add.u32", true},
    {"atom.global.gpu.acq_rel.add.u32", true},
    {"atom.add.acquire.sys.f32", true},
    {"atom.u32.add.global", true},
    {"atom.global.v4.f32.add", true},
    {"atom.global.noftz.add.f16x2", true},
    {"atom.cas.global.b16", true},
    {"red.global.add.sys.relaxed.u32", true},
    {"ldmatrix.sync.aligned.x4.trans.m8n8.shared.b16", true},
    {"ldmatrix.sync.aligned.trans.m8n8.x4.shared.b16", true},
    {"ldmatrix.aligned.sync.b16.trans.m8n8.x4.shared", true},
    {"stmatrix.x1.m8n8.sync.aligned.shared.b16", true},
    {"movmatrix.sync.aligned.trans.m8n8.b16", true},
    {"mma.aligned.sync.row.col.m16n8k16.f32.f16.f16.f32", true},
    {"mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32.satfinite", true},
    {"shfl.bfly.sync.b32", true},
    {"vote.any.pred.sync", true},
    {"match.sync.any.b32", true},
    {"bar.red.pred.and", true},
    {"barrier.aligned.sync", true},
    {"fence.gpu.acq_rel", true},
    {"fence.release.cluster.mbarrier_init", true},
    // A modifier comes once, and no scope next to another.
    {"fma.rn.ftz.ftz.f32", false},
    {"ld.global.global.u32", false},
    {"atom.relaxed.global.relaxed.add.u32", false},
    {"atom.gpu.sys.global.add.u32", false},
    // Types and spaces keep their order.
    {"cvt.f32.rn.s32", true},
    {"cvt.f32.s32.rn", true},
    {"cvt.sat.rn.f16.f32", true},
    {"set.u32.lt.f32", true},
    {"slct.s32.ftz.f32", true},
    {"cp.async.cg.shared.global", true},
    {"cp.async.shared.global.cg", true},
    {"cp.async.cg.global.shared", false},
    {"cp.async.bulk.mbarrier::complete_tx::bytes.shared::cluster.global", true},
    // So do the parts of a name, which nothing comes between.
    {"mul.lo.u32", true},
    {"mul.u32.lo", false},
    {"mul24.u32.lo", false},
    {"mad.lo.u32.cc", true},
    {"mad.cc.lo.u32", false},
    {"mad.sat.hi.s32", false},
    {"shf.l.b32.wrap", true},
    {"shf.wrap.r.b32", false},
    {"div.full.ftz.f32", true},
    {"div.ftz.full.f32", false},
    {"dp2a.s32.lo.u32", false},
    {"cvta.to.u64.shared", true},
    {"cvta.global.to.u64", false},
    {"createpolicy.L2::evict_last.fractional.b64", false},
    {"cp.async.commit_group.bulk", false},
    {"cp.async.bulk.read.wait_group", false},
    {"cp.async.mbarrier.arrive.shared.noinc.b64", true},
    {"bar.cta.red.popc.u32", true},
    {"bar.red.cta.popc.u32", false},
    {"bar.sync.cta", false},
    {"bar.sync.warp", false},
    {"barrier.cluster.arrive.aligned.release", true},
    {"barrier.cluster.aligned.arrive", false},
    {"barrier.cluster.acquire.wait", false},
    {"fence.proxy.global.async", true},
    {"fence.async.proxy", false},
    {"mbarrier.arrive.b64.shared", true},
    {"mbarrier.shared.arrive.b64", false},
    {"mbarrier.arrive.shared.noComplete.b64", true},
    {"mbarrier.arrive.release.expect_tx.cta.shared::cta.b64", false},
    {"mbarrier.try_wait.parity.cta.acquire.shared.b64", true},
    {"mbarrier.try_wait.acquire.cta.parity.shared.b64", false},
    {"setmaxnreg.sync.inc.aligned.u32", false},
    {"st.async.mbarrier::complete_tx::bytes.shared::cluster.u32", true},
    {"st.shared::cluster.async.mbarrier::complete_tx::bytes.u32", false},
    // What a modifier needs, or cannot be with.
    {"min.f32.abs.xorsign", true},
    {"min.xorsign.f32", false},
    {"bar.sync.aligned", false},
};

TEST(Pattern, TakesTheSpellingsThatPtxasTakes) {
  for (const Spelling& spelling : kSpellings) {
    EXPECT_EQ(match_opcode(opcode_of(spelling.text)).form != nullptr, spelling.taken)
        << spelling.text;
  }
}

TEST(Pattern, PutsEachModifierIntoItsSlot) {
  const Pattern pattern("cvt (.rn|.rz) [.sat] (.f16|.f32) (.f32|.f64)");
  const std::vector<std::string_view> modifiers = {"f16", "sat", "f32", "rn"};
  const auto slots = pattern.match(modifiers);
  ASSERT_TRUE(slots);
  EXPECT_EQ(*slots, (std::vector<std::string_view>{".rn", ".sat", ".f16", ".f32"}));
}

TEST(Pattern, GivesAModifierThatFitsTwoSlotsToTheOneThatLeavesTheOtherFilled) {
  const Pattern pattern("frob [.a|.b] .a");
  const std::vector<std::string_view> one = {"a"};
  const std::vector<std::string_view> both = {"a", "b"};
  EXPECT_EQ(*pattern.match(one), (std::vector<std::string_view>{"", ".a"}));
  EXPECT_EQ(*pattern.match(both), (std::vector<std::string_view>{".b", ".a"}));
}

TEST(Pattern, CountsWhatKeepsASpellingFromMatching) {
  const Pattern pattern("fma (.rn|.rz) [.ftz] .f32");
  const std::vector<std::string_view> good = {"rn", "f32"};
  const std::vector<std::string_view> bad = {"up", "f32"};
  EXPECT_EQ(pattern.distance(good), 0);
  EXPECT_EQ(pattern.distance(bad), 2) << "one modifier without a slot, one slot without a modifier";
}

// A spelling of a pattern: the first choice of every slot that must be filled, or that may be; any number.
std::string spelling_of(std::string_view pattern, bool with_optional) {
  std::string spelling;
  for (size_t begin = 0; begin < pattern.size();) {
    const size_t end = std::min(pattern.find(' ', begin), pattern.size());
    const std::string_view word = pattern.substr(begin, end - begin);
    const std::string_view choice = word.front() == '(' || word.front() == '['
                                        ? word.substr(1, word.find_first_of("|)]") - 1)
                                        : word;
    if (with_optional || word.front() != '[') spelling += choice;
    begin = end + 1;
  }
  for (size_t number = spelling.find("<n>"); number != spelling.npos;
       number = spelling.find("<n>")) {
    spelling.replace(number, 3, "8");
  }
  return spelling;
}

TEST(Pattern, IsNotHiddenByAnEarlierOne) {
  for (const Family& family : all_families()) {
    for (const Form& form : family.forms) {
      const Match shortest = match_opcode(opcode_of(spelling_of(form.pattern, false)));
      const Match longest = match_opcode(opcode_of(spelling_of(form.pattern, true)));
      ASSERT_NE(shortest.form, nullptr) << form.pattern;
      ASSERT_NE(longest.form, nullptr) << form.pattern;
      EXPECT_TRUE(shortest.form == &form || longest.form == &form)
          << form.pattern << " is hidden by " << shortest.form->pattern;
    }
  }
}

}  // namespace
}  // namespace slipstream::emulator
