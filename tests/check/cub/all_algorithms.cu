// One instance of every CUB device algorithm, for the static check to read. Never run.
#include <cub/cub.cuh>

namespace {

struct Double {
  __host__ __device__ int operator()(int value) const { return 2 * value; }
};
struct IsEven {
  __host__ __device__ bool operator()(int value) const { return value % 2 == 0; }
};
struct Less {
  __host__ __device__ bool operator()(int a, int b) const { return a < b; }
};

}  // namespace

void use_every_algorithm(void* temporary, size_t& bytes, int* a, int* b, int* c, float* f,
                         void** pointers, size_t* sizes) {
  constexpr int kItems = 1 << 20;
  constexpr int kSegments = 1 << 10;
  cub::DeviceReduce::Sum(temporary, bytes, a, b, kItems);
  cub::DeviceReduce::ArgMin(temporary, bytes, a, b, c, kItems);
  cub::DeviceReduce::ReduceByKey(temporary, bytes, a, b, a, b, c, Less{}, kItems);
  cub::DeviceSegmentedReduce::Sum(temporary, bytes, a, b, kSegments, c, c + 1);
  cub::DeviceScan::ExclusiveSum(temporary, bytes, a, b, kItems);
  cub::DeviceScan::InclusiveScan(temporary, bytes, f, f, cuda::std::plus<>{}, kItems);
  cub::DeviceScan::ExclusiveSumByKey(temporary, bytes, a, b, c, kItems);
  cub::DeviceRadixSort::SortKeys(temporary, bytes, a, b, kItems);
  cub::DeviceRadixSort::SortPairsDescending(temporary, bytes, f, f, a, b, kItems);
  cub::DeviceSegmentedRadixSort::SortKeys(temporary, bytes, a, b, kItems, kSegments, c, c + 1);
  cub::DeviceSegmentedSort::SortKeys(temporary, bytes, a, b, kItems, kSegments, c, c + 1);
  cub::DeviceMergeSort::SortKeys(temporary, bytes, a, kItems, Less{});
  cub::DeviceMergeSort::SortPairs(temporary, bytes, a, b, kItems, Less{});
  cub::DeviceMerge::MergeKeys(temporary, bytes, a, kItems, b, kItems, c, Less{});
  cub::DeviceSelect::If(temporary, bytes, a, b, c, kItems, IsEven{});
  cub::DeviceSelect::Unique(temporary, bytes, a, b, c, kItems);
  cub::DeviceSelect::UniqueByKey(temporary, bytes, a, b, a, b, c, kItems);
  cub::DevicePartition::If(temporary, bytes, a, b, c, kItems, IsEven{});
  cub::DeviceRunLengthEncode::Encode(temporary, bytes, a, b, b, c, kItems);
  cub::DeviceHistogram::HistogramEven(temporary, bytes, a, b, 257, 0, 256, kItems);
  cub::DeviceAdjacentDifference::SubtractLeft(temporary, bytes, a, kItems);
  cub::DeviceFor::ForEachN(a, kItems, Double{});
  cub::DeviceTransform::Transform(a, b, kItems, Double{});
  cub::DeviceMemcpy::Batched(temporary, bytes, pointers, pointers, sizes, kSegments);
  cub::DeviceCopy::Batched(temporary, bytes, reinterpret_cast<int**>(pointers),
                           reinterpret_cast<int**>(pointers), sizes, kSegments);
}
