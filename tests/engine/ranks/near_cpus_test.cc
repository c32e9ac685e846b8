#include "engine/ranks/near_cpus.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <thread>

#include "tests/model/support/tiny_files.h"

namespace slipstream::engine::test {
namespace {

using model::test::write_text;

// What a machine says of a GPU and its nodes.
class Sysfs {
 public:
  explicit Sysfs(const std::string& node) {
    std::filesystem::create_directories(path("bus/pci/devices/0000:3b:00.0"));
    write_text(path("bus/pci/devices/0000:3b:00.0/numa_node"), node + "\n");
  }

  [[nodiscard]] const Sysfs& with_node(const std::string& node, const std::string& cpus) const {
    std::filesystem::create_directories(path("devices/system/node/node" + node));
    write_text(path("devices/system/node/node" + node + "/cpulist"), cpus);
    return *this;
  }
  [[nodiscard]] std::vector<int> near(const std::string& bus_id = "0000:3B:00.0") const {
    return cpus_near(bus_id, directory_.path());
  }

 private:
  [[nodiscard]] std::string path(const std::string& name) const { return directory_.path(name); }

  model::test::TemporaryDirectory directory_;
};

using Cpus = std::vector<int>;

TEST(CpusNear, AreThoseOfTheGpusNode) {
  EXPECT_EQ(Sysfs("1").with_node("0", "0-3\n").with_node("1", "4-6,12,14-15\n").near(),
            (Cpus{4, 5, 6, 12, 14, 15}));
}

TEST(CpusNear, AreNoneWhereTheMachineDoesNotSay) {
  EXPECT_EQ(Sysfs("-1").with_node("0", "0-3\n").near(), Cpus{});
  EXPECT_EQ(Sysfs("").with_node("0", "0-3\n").near(), Cpus{});
  EXPECT_EQ(Sysfs("2").with_node("0", "0-3\n").near(), Cpus{});
  EXPECT_EQ(Sysfs("0").with_node("0", "0-3\n").near("0000:AF:00.0"), Cpus{});
  EXPECT_EQ(cpus_near("0000:3B:00.0", "/no/such/folder"), Cpus{});
}

TEST(CpusNear, AreNoneWhereTheListIsNotOne) {
  for (const char* list : {"", "\n", "x", "3-1", "1-", "-3", "0-99999", "0-3;7", "0-3,x"}) {
    EXPECT_EQ(Sysfs("0").with_node("0", list).near(), Cpus{}) << list;
  }
}

Cpus allowed_cpus() {
  cpu_set_t set;
  EXPECT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  Cpus result;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) result.push_back(cpu);
  }
  return result;
}

// What a thread may use that was kept on these CPUs.
Cpus allowed_after(const Cpus& wanted) {
  Cpus result;
  std::thread([&] {
    keep_thread_on(wanted);
    result = allowed_cpus();
  }).join();
  return result;
}

TEST(KeepThreadOn, LeavesAThreadThoseItMayUse) {
  const Cpus mine = allowed_cpus();
  EXPECT_EQ(allowed_after({mine.back(), CPU_SETSIZE - 1}), Cpus{mine.back()});
  EXPECT_EQ(allowed_cpus(), mine) << "other threads stay where they are";
}

TEST(KeepThreadOn, ChangesNothingWhereItMayUseNone) {
  const Cpus mine = allowed_cpus();
  EXPECT_EQ(allowed_after({}), mine);
  EXPECT_EQ(allowed_after({CPU_SETSIZE - 1}), mine);
}

}  // namespace
}  // namespace slipstream::engine::test
