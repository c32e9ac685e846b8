#include "emulator/machine/overlay.h"

#include <gtest/gtest.h>

#include <cstring>

#include "emulator/machine/global_memory.h"

namespace slipstream::emulator {
namespace {

class OverlayTest : public testing::Test {
 protected:
  uint32_t base() const {
    uint32_t value = 0;
    std::memcpy(&value, reinterpret_cast<const void*>(address_), sizeof(value));
    return value;
  }
  uint32_t seen(const Overlay& overlay) const {
    uint32_t value = 0;
    overlay.read(address_, &value, sizeof(value));
    return value;
  }

  GlobalMemory memory_{1 << 20};
  uint64_t address_ = memory_.allocate(64, MemoryKind::kDevice, "buffer");
};

TEST_F(OverlayTest, ShowsWritesToItsGridOnlyUntilTheyArePublished) {
  Overlay overlay;
  const uint32_t value = 0x01020304;
  overlay.write(address_, &value, 4);
  EXPECT_EQ(seen(overlay), value);
  EXPECT_EQ(base(), 0U);
  overlay.publish(memory_);
  EXPECT_EQ(base(), value);
  EXPECT_TRUE(overlay.empty());
}
TEST_F(OverlayTest, MixesItsBytesWithThoseOfMemory) {
  Overlay overlay;
  const uint8_t value = 0xff;
  overlay.write(address_ + 1, &value, 1);
  const uint32_t later = 0x11111111;
  std::memcpy(reinterpret_cast<void*>(address_), &later, 4);
  EXPECT_EQ(seen(overlay), 0x1111ff11U);
}
TEST_F(OverlayTest, PublishesARangeOnly) {
  Overlay overlay;
  const uint32_t value = 0x01020304;
  overlay.write(address_, &value, 4);
  overlay.publish(memory_, address_, 2);
  EXPECT_EQ(base(), 0x0304U);
  EXPECT_TRUE(overlay.has(address_ + 2));
}
TEST_F(OverlayTest, DropsWritesToMemoryThatIsGone) {
  Overlay overlay;
  const uint32_t value = 1;
  overlay.write(address_, &value, 4);
  memory_.release(address_);
  overlay.publish(memory_);
  EXPECT_TRUE(overlay.empty());
}

}  // namespace
}  // namespace slipstream::emulator
