// What records of launches say, against what the launches are given.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <span>
#include <string_view>

#include "pdl/launch_observer.h"
#include "step/launch_list.h"

namespace slipstream::step::test {

// The pointers that a launch's parameter struct really holds.
inline std::set<const void*> pointers_of(const pdl::ObservedLaunch& launch, pdl::Role role) {
  std::set<const void*> pointers;
  for (const pdl::Field& field : launch.declaration.fields) {
    const void* pointer = nullptr;
    std::memcpy(&pointer, static_cast<const std::byte*>(launch.parameter) + field.offset,
                sizeof pointer);
    if (field.role == role && pointer != nullptr) pointers.insert(pointer);
  }
  return pointers;
}

inline std::set<const void*> pointers_of(std::span<const Buffer> buffers) {
  std::set<const void*> pointers;
  for (const Buffer& buffer : buffers) pointers.insert(buffer.data);
  return pointers;
}

// Enqueues a launch, or the two that it is with many tokens, and EXPECTs its record to name every
// buffer that it is given and no other. The second of two reads nothing early: the first does not wait
// before it triggers.
inline void expect_named_buffers(const StepLaunch& record, int tokens, cudaStream_t stream) {
  SCOPED_TRACE(fmt::format("layer {}, {}", record.layer, record.title));
  std::set<const void*> given;
  std::set<const void*> given_constants;
  std::set<const void*> given_settled;
  int launches = 0;
  const pdl::LaunchObserver observer([&](const pdl::ObservedLaunch& launch) {
    const std::set<const void*> settled = pointers_of(launch, pdl::Role::kSettled);
    EXPECT_TRUE(settled.empty() || launches == 0);
    ++launches;
    given_settled.insert(settled.begin(), settled.end());
    given.merge(pointers_of(launch, pdl::Role::kProduced));
    given_constants.merge(pointers_of(launch, pdl::Role::kConstant));
  });
  record.enqueue(tokens, {.stream = stream});
  std::set<const void*> touched = pointers_of(record.reads);
  touched.merge(pointers_of(record.writes));
  EXPECT_EQ(given, touched);
  EXPECT_EQ(given_settled, pointers_of(record.settled));
  // Scales of packed matrices are a pointer of their own, next to the tiles.
  for (const Buffer& constant : record.constants) {
    EXPECT_TRUE(given_constants.contains(constant.data)) << constant.name;
  }
}

// Rows and pages come from the host, caches from earlier steps too.
inline std::set<std::string_view> written_before_steps() {
  return {"rows", "pages", "latent_cache", "index_cache", "extras", "masks"};
}

// EXPECTs a launch to read nothing but `written`, to which it adds what it writes.
inline void expect_written_reads(const StepLaunch& record, std::set<std::string_view>& written) {
  for (const auto& buffers : {record.reads, record.settled}) {
    for (const Buffer& read : buffers) {
      EXPECT_TRUE(written.contains(read.name)) << record.title << " reads " << read.name;
    }
  }
  for (const Buffer& write : record.writes) written.insert(write.name);
}

// Whether it reads what the launch before gives an exchange of several ranks: then it may run before
// that one has ended, and let the next one start before that (docs/ranks.md).
inline bool may_poll(const StepLaunch& record, const StepLaunch& before) {
  const std::set<const void*> written = pointers_of(before.writes);
  return std::any_of(record.reads.begin(), record.reads.end(), [&](const Buffer& read) {
    return (read.name == "delta" || read.name == "window") && written.contains(read.data);
  });
}

// EXPECTs what launches read before their wait to be left alone by the launch before each, and by the
// one before that if the former polls. The first one comes after the last of another step, and reads
// nothing early.
inline void expect_settled_reads(std::span<const StepLaunch> records) {
  std::set<const void*> unsettled = pointers_of(records.front().settled);
  const StepLaunch* before = nullptr;
  for (const StepLaunch& record : records) {
    for (const Buffer& buffer : record.settled) {
      EXPECT_FALSE(unsettled.contains(buffer.data)) << record.title << " reads " << buffer.name;
    }
    unsettled = pointers_of(record.writes);
    if (before != nullptr && may_poll(record, *before)) {
      unsettled.merge(pointers_of(before->writes));
    }
    before = &record;
  }
}

// EXPECTs launches that may poll to write nothing that the launch before touches; returns how many
// these are. Operands are made for many tokens only, by a launch that waits first.
inline int expect_writes_beside_the_launch_before(std::span<const StepLaunch> records) {
  int polling = 0;
  for (size_t i = 1; i < records.size(); ++i) {
    const StepLaunch& before = records[i - 1];
    if (!may_poll(records[i], before)) continue;
    ++polling;
    std::set<const void*> touched = pointers_of(before.reads);
    touched.merge(pointers_of(before.settled));
    touched.merge(pointers_of(before.writes));
    for (const Buffer& buffer : records[i].writes) {
      EXPECT_TRUE(buffer.name == "operands" || !touched.contains(buffer.data))
          << records[i].title << " writes " << buffer.name << ", which " << before.title
          << " touches";
    }
  }
  return polling;
}

}  // namespace slipstream::step::test
