// Which device a thread uses, and what belongs to a device.
#include <thread>

#include "device_kernels.h"
#include "device_test.h"

namespace slipstream::devices_test {
namespace {

using Selection = Devices;

TEST_F(Selection, IsOfTheThread) {
  devices_[2].use();
  std::thread other([] {
    int number = -1;
    EXPECT_EQ(cudaGetDevice(&number), cudaSuccess);
    EXPECT_EQ(number, 0) << "a new thread starts with device 0";
    EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  });
  other.join();
  int number = -1;
  EXPECT_EQ(cudaGetDevice(&number), cudaSuccess);
  EXPECT_EQ(number, 2);
}

TEST_F(Selection, RefusesADeviceThatIsNotThere) {
  EXPECT_EQ(cudaSetDevice(kDevices), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaSetDevice(-1), cudaErrorInvalidDevice);
  cudaDeviceProp properties{};
  EXPECT_EQ(cudaGetDeviceProperties(&properties, kDevices), cudaErrorInvalidDevice);
  cudaGetLastError();
}

TEST_F(Selection, TellsDevicesApartByTheirIdentifiers) {
  cudaDeviceProp first{};
  cudaDeviceProp second{};
  ASSERT_EQ(cudaGetDeviceProperties(&first, 0), cudaSuccess);
  ASSERT_EQ(cudaGetDeviceProperties(&second, 1), cudaSuccess);
  EXPECT_NE(first.pciBusID, second.pciBusID);
  char text[32];
  ASSERT_EQ(cudaDeviceGetPCIBusId(text, sizeof(text), 3), cudaSuccess);
  int number = -1;
  ASSERT_EQ(cudaDeviceGetByPCIBusId(&number, text), cudaSuccess);
  EXPECT_EQ(number, 3);
}

TEST_F(Selection, GivesEachDeviceItsOwnMemory) {
  size_t before = 0;
  size_t after = 0;
  size_t elsewhere = 0;
  size_t elsewhere_after = 0;
  devices_[1].use();
  ASSERT_EQ(cudaMemGetInfo(&elsewhere, nullptr), cudaSuccess);
  devices_[0].use();
  ASSERT_EQ(cudaMemGetInfo(&before, nullptr), cudaSuccess);
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, 1 << 20), cudaSuccess);
  ASSERT_EQ(cudaMemGetInfo(&after, nullptr), cudaSuccess);
  EXPECT_EQ(before - after, size_t{1} << 20);
  devices_[1].use();
  ASSERT_EQ(cudaMemGetInfo(&elsewhere_after, nullptr), cudaSuccess);
  EXPECT_EQ(elsewhere, elsewhere_after);
  EXPECT_EQ(cudaFree(memory), cudaSuccess) << "from another device";
}

TEST_F(Selection, SaysWhichDeviceOwnsAPointer) {
  cudaPointerAttributes attributes{};
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, devices_[3].words + 1), cudaSuccess);
  EXPECT_EQ(attributes.device, 3);
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
}

TEST_F(Selection, HasItsVariablesOnEachDevice) {
  for (const TestDevice& device : devices_) {
    device.use();
    const int before = variable_on_current_device();
    launch_add_to_variable(device.stream, 10 * device.number);
    ASSERT_EQ(cudaStreamSynchronize(device.stream), cudaSuccess);
    EXPECT_EQ(variable_on_current_device(), before + 10 * device.number);
  }
  devices_[0].use();
  EXPECT_EQ(variable_on_current_device(), 7);
}

TEST_F(Selection, SetsAFunctionsAttributesOnOneDeviceOnly) {
  constexpr int kBytes = 100 * 1024;
  const void* const kernel = kernel_with_dynamic_shared_memory();
  ASSERT_EQ(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes),
            cudaSuccess);
  EXPECT_EQ(launch_with_dynamic_shared_memory(devices_[0].stream, kBytes), cudaSuccess);
  devices_[1].use();
  EXPECT_EQ(launch_with_dynamic_shared_memory(devices_[1].stream, kBytes), cudaErrorInvalidValue);
}

TEST_F(Selection, RefusesALaunchIntoAStreamOfAnotherDevice) {
  launch_store(devices_[1].stream, devices_[0].words, 1);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaMemsetAsync(devices_[1].words, 0, 4, devices_[1].stream), cudaSuccess)
      << "copies and fills may go there";
  int number = -1;
  EXPECT_EQ(cudaStreamGetDevice(devices_[1].stream, &number), cudaSuccess);
  EXPECT_EQ(number, 1);
}

TEST_F(Selection, RefusesToRecordAnEventOfAnotherDevice) {
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreate(&event), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event, devices_[1].stream), cudaErrorInvalidResourceHandle);
  cudaGetLastError();
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
}

TEST_F(Selection, WaitsForAnEventOfAnotherDevice) {
  cudaEvent_t event = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
  unsigned* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(reinterpret_cast<void**>(&pinned), sizeof(*pinned)), cudaSuccess);
  *pinned = 0;
  launch_store(devices_[0].stream, pinned, 1);
  ASSERT_EQ(cudaEventRecord(event, devices_[0].stream), cudaSuccess);
  devices_[1].use();
  ASSERT_EQ(cudaStreamWaitEvent(devices_[1].stream, event, 0), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(devices_[1].words, pinned, sizeof(*pinned), cudaMemcpyDefault,
                            devices_[1].stream),
            cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(devices_[1].stream), cudaSuccess);
  EXPECT_EQ(devices_[1].read(0), 1U);
  EXPECT_EQ(cudaEventQuery(event), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
}

}  // namespace
}  // namespace slipstream::devices_test
