#include "record/recorder.h"

#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "record/recording_file.h"

namespace slipstream::record {
namespace {

constexpr uint64_t kLeastAddress = uint64_t{1} << 32;  // below: numbers
constexpr uint64_t kMostAddress = uint64_t{1} << 48;

// The nodes of a graph in an order that its edges allow.
struct OrderedGraph {
  struct Edge {
    size_t from = 0;
    CUgraphEdgeData data{};
  };
  std::vector<CUgraphNode> nodes;
  std::vector<std::vector<Edge>> into;  // of each node
};

OrderedGraph read_graph(const Driver& driver, CUgraph graph) {
  OrderedGraph result;
  size_t count = 0;
  if (driver.graph_get_nodes(graph, nullptr, &count) != CUDA_SUCCESS) return result;
  std::vector<CUgraphNode> nodes(count);
  driver.graph_get_nodes(graph, nodes.data(), &count);
  size_t edges = 0;
  driver.graph_get_edges(graph, nullptr, nullptr, nullptr, &edges);
  std::vector<CUgraphNode> from(edges);
  std::vector<CUgraphNode> to(edges);
  std::vector<CUgraphEdgeData> data(edges);
  if (edges != 0) {
    driver.graph_get_edges(graph, from.data(), to.data(), data.data(), &edges);
  }
  std::unordered_map<CUgraphNode, std::vector<size_t>> leaving;
  std::unordered_map<CUgraphNode, std::vector<size_t>> entering;
  for (size_t i = 0; i < edges; ++i) {
    leaving[from[i]].push_back(i);
    entering[to[i]].push_back(i);
  }
  std::unordered_map<CUgraphNode, size_t> open;
  std::unordered_map<CUgraphNode, size_t> place;
  std::vector<CUgraphNode> ready;
  for (const CUgraphNode node : nodes) {
    open[node] = entering[node].size();
    if (open[node] == 0) ready.push_back(node);
  }
  for (size_t i = 0; i < ready.size(); ++i) {
    const CUgraphNode node = ready[i];
    place[node] = i;
    std::vector<OrderedGraph::Edge> edges_in;
    for (const size_t edge : entering[node]) edges_in.push_back({place[from[edge]], data[edge]});
    result.into.push_back(std::move(edges_in));
    for (const size_t edge : leaving[node]) {
      if (--open[to[edge]] == 0) ready.push_back(to[edge]);
    }
  }
  result.nodes = std::move(ready);
  return result;
}

}  // namespace

Recorder::Recorder(const Driver& driver, std::string folder)
    : driver_(driver), folder_(std::move(folder)) {}

void Recorder::launch(const Callee& callee, uint32_t block_threads, const Arguments& arguments,
                      CUstream stream, bool programmatic) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  // Of a capture, the graph is recorded when it is instantiated.
  const CUresult asked = driver_.stream_is_capturing(stream, &status);
  if (asked == CUDA_SUCCESS && status != CU_STREAM_CAPTURE_STATUS_NONE) return;
  const std::lock_guard lock(mutex_);
  const Signature& signature = known(callee);
  if (signature.name.empty()) return;
  std::vector<Place> released_by;
  if (programmatic) released_by.push_back(last_[stream]);
  last_[stream] = recording_.add({signature.name, block_threads, pointers_in(signature, arguments)},
                                 released_by);
}

void Recorder::instantiate(CUgraph graph) {
  const std::lock_guard lock(mutex_);
  record_graph(graph);
}

void Recorder::record_graph(CUgraph graph) {
  const OrderedGraph ordered = read_graph(driver_, graph);
  std::vector<std::optional<Place>> places(ordered.nodes.size());  // of kernels
  std::vector<std::string> names(ordered.nodes.size());
  for (size_t i = 0; i < ordered.nodes.size(); ++i) {
    CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
    driver_.graph_node_get_type(ordered.nodes[i], &type);
    if (type == CU_GRAPH_NODE_TYPE_GRAPH) {
      CUgraph child = nullptr;
      driver_.graph_child_graph_node_get_graph(ordered.nodes[i], &child);
      record_graph(child);
    }
    CUDA_KERNEL_NODE_PARAMS node{};
    if (type != CU_GRAPH_NODE_TYPE_KERNEL ||
        driver_.graph_kernel_node_get_params(ordered.nodes[i], &node) != CUDA_SUCCESS) {
      continue;
    }
    const Signature& signature = known({node.func, node.kern});
    if (signature.name.empty()) continue;
    names[i] = signature.name;
    std::vector<Place> released_by;
    for (const OrderedGraph::Edge& edge : ordered.into[i]) {
      if (!places[edge.from]) continue;
      if (edge.data.type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC) {
        released_by.push_back(*places[edge.from]);
      } else if (edge.data.from_port == CU_GRAPH_KERNEL_NODE_PORT_LAUNCH_ORDER) {
        recording_.add_launch_completion(names[edge.from], names[i]);
      }
    }
    const uint32_t threads = node.blockDimX * node.blockDimY * node.blockDimZ;
    places[i] = recording_.add(
        {signature.name, threads, pointers_in(signature, {node.kernelParams, node.extra})},
        released_by);
  }
}

void Recorder::other_work() {
  const std::lock_guard lock(mutex_);
  last_.clear();
}

void Recorder::load_module(std::span<const char> cubin) {
  if (cubin.empty()) return;
  const std::string_view bytes(cubin.data(), cubin.size());
  const std::string name = std::to_string(std::hash<std::string_view>{}(bytes));
  {
    const std::lock_guard lock(mutex_);
    if (!cubins_.insert(name).second) return;
  }
  write_whole(folder_ + "/code/" + name + ".cubin", bytes);
}

void Recorder::unload_module() {
  const std::lock_guard lock(mutex_);
  signatures_.clear();
}

void Recorder::free_memory() {
  const std::lock_guard lock(mutex_);
  ranges_.clear();
}

void Recorder::write() {
  const std::lock_guard lock(mutex_);
  write_launches(recording_, folder_);
}

const Signature& Recorder::known(const Callee& callee) {
  const void* const key = callee.function != nullptr ? static_cast<const void*>(callee.function)
                                                     : static_cast<const void*>(callee.kernel);
  const auto found = signatures_.find(key);
  if (found != signatures_.end()) return found->second;
  Signature signature = signature_of(driver_, callee);
  if (signature.name.empty() && callee.function != nullptr) {
    // The runtime passes kernels of libraries where functions are asked for.
    signature = signature_of(driver_, {nullptr, reinterpret_cast<CUkernel>(callee.function)});
  }
  return signatures_.emplace(key, std::move(signature)).first->second;
}

std::vector<Pointer> Recorder::pointers_in(const Signature& signature, const Arguments& arguments) {
  const std::byte* buffer = nullptr;
  size_t buffer_bytes = 0;
  for (void** entry = arguments.extra; entry != nullptr && *entry != CU_LAUNCH_PARAM_END;
       entry += 2) {
    if (*entry == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = static_cast<const std::byte*>(entry[1]);
    if (*entry == CU_LAUNCH_PARAM_BUFFER_SIZE) buffer_bytes = *static_cast<size_t*>(entry[1]);
  }
  std::vector<Pointer> result;
  for (size_t i = 0; i < signature.parameters.size(); ++i) {
    const ParameterPlace& place = signature.parameters[i];
    const std::byte* value = nullptr;
    if (arguments.values != nullptr) {
      value = static_cast<const std::byte*>(arguments.values[i]);
    } else if (buffer != nullptr && place.offset + place.bytes <= buffer_bytes) {
      value = buffer + place.offset;
    }
    if (value == nullptr) continue;
    append_pointers(
        static_cast<uint32_t>(i), {value, place.bytes},
        [this](uint64_t address) { return allocation_of(address); }, result);
  }
  return result;
}

// 0: there is none.
uint64_t Recorder::allocation_of(uint64_t address) {
  if (address < kLeastAddress || address >= kMostAddress) return 0;
  const auto known = ranges_.upper_bound(address);
  if (known != ranges_.end() && known->second.begin <= address) return known->second.begin;
  CUdeviceptr begin = 0;
  size_t bytes = 0;
  if (driver_.mem_get_address_range(&begin, &bytes, address) != CUDA_SUCCESS) return 0;
  ranges_[begin + bytes] = {begin, begin + bytes};
  return begin;
}

}  // namespace slipstream::record
