// A captured chain of kernels launched with programmatic stream serialization: the graph has
// programmatic edges, says so when asked, and gives the right result at every launch.
#include "program.h"

// Each element is its left neighbor of the kernel before, plus one: a kernel that starts reading
// too early goes wrong.
__global__ void shift_and_add(const unsigned* in, unsigned* out, int count) {
  cudaTriggerProgrammaticLaunchCompletion();
  cudaGridDependencySynchronize();
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) out[i] = in[(i + count - 1) % count] + 1;
}

constexpr int kCount = 1000;
constexpr int kKernels = 6;

void launch_chain(cudaStream_t stream, unsigned* first, unsigned* second) {
  for (int kernel = 0; kernel < kKernels; ++kernel) {
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t configuration{};
    configuration.gridDim = dim3((kCount + 127) / 128);
    configuration.blockDim = dim3(128);
    configuration.stream = stream;
    configuration.attrs = &attribute;
    configuration.numAttrs = 1;
    const unsigned* in = kernel % 2 == 0 ? first : second;
    unsigned* out = kernel % 2 == 0 ? second : first;
    check(cudaLaunchKernelEx(&configuration, shift_and_add, in, out, kCount), "launch");
  }
}

void check_edges(cudaGraph_t graph) {
  size_t count = 0;
  check(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &count), "number of edges");
  expect(count == kKernels - 1, "one edge between neighbors");
  std::vector<cudaGraphNode_t> from(count);
  std::vector<cudaGraphNode_t> to(count);
  expect(cudaGraphGetEdges(graph, from.data(), to.data(), nullptr, &count) == cudaErrorLossyQuery,
         "a query without room for edge data is refused");
  std::vector<cudaGraphEdgeData> edges(count);
  check(cudaGraphGetEdges(graph, from.data(), to.data(), edges.data(), &count), "edges");
  for (const cudaGraphEdgeData& edge : edges) {
    expect(edge.type == cudaGraphDependencyTypeProgrammatic, "edges are programmatic");
    expect(edge.from_port == cudaGraphKernelNodePortProgrammatic, "edges leave at the trigger");
  }
}

int main() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  std::vector<unsigned> values = scrambled(kCount);
  unsigned* first = to_device(values);
  unsigned* second = device_array<unsigned>(kCount);
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin capture");
  launch_chain(stream, first, second);
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream, &graph), "end capture");
  check_edges(graph);
  cudaGraphExec_t exec = nullptr;
  check(cudaGraphInstantiate(&exec, graph, 0), "instantiate");
  constexpr int kLaunches = 3;
  for (int launch = 0; launch < kLaunches; ++launch) {
    check(cudaGraphLaunch(exec, stream), "graph launch");
    for (int kernel = 0; kernel < kKernels; ++kernel) {
      std::vector<unsigned> next(kCount);
      for (int i = 0; i < kCount; ++i) next[i] = values[(i + kCount - 1) % kCount] + 1;
      values = next;
    }
  }
  check(cudaStreamSynchronize(stream), "synchronize");
  expect(to_host(first, kCount) == values, "values after all launches");
  check(cudaGraphExecDestroy(exec), "destroy");
  check(cudaGraphDestroy(graph), "destroy");
  check(cudaStreamDestroy(stream), "destroy");
  return 0;
}
