#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "litmus/experiments/all.h"
#include "slipstream/error.h"

namespace slipstream::litmus {
namespace {

std::string type_name(cudaGraphNode_t node) {
  cudaGraphNodeType type{};
  check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
  switch (type) {
    case cudaGraphNodeTypeKernel:
      return "kernel";
    case cudaGraphNodeTypeMemset:
      return "memset";
    case cudaGraphNodeTypeMemcpy:
      return "copy";
    case cudaGraphNodeTypeHost:
      return "host";
    case cudaGraphNodeTypeEmpty:
      return "empty";
    default:
      return fmt::format("node of type {}", static_cast<int>(type));
  }
}

std::string edge_name(const cudaGraphEdgeData& edge) {
  if (edge.type == cudaGraphDependencyTypeDefault && edge.from_port == 0) return "full";
  const char* port = edge.from_port == cudaGraphKernelNodePortProgrammatic ? "programmatic"
                     : edge.from_port == cudaGraphKernelNodePortLaunchCompletion
                         ? "launch completion"
                         : "default";
  return fmt::format("{}, {} port",
                     edge.type == cudaGraphDependencyTypeProgrammatic ? "programmatic" : "full",
                     port);
}

// The nodes by type and number, in the order in which they were captured.
std::map<cudaGraphNode_t, std::string> names_of_nodes(cudaGraph_t graph) {
  size_t count = 0;
  check_cuda(cudaGraphGetNodes(graph, nullptr, &count), "cudaGraphGetNodes");
  std::vector<cudaGraphNode_t> nodes(count);
  check_cuda(cudaGraphGetNodes(graph, nodes.data(), &count), "cudaGraphGetNodes");
  std::map<cudaGraphNode_t, std::string> names;
  for (size_t i = 0; i < count; ++i) {
    names[nodes[i]] = fmt::format("{} {}", type_name(nodes[i]), i + 1);
  }
  return names;
}

std::string edges_of(cudaGraph_t graph) {
  const auto names = names_of_nodes(graph);
  size_t count = 0;
  check_cuda(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &count), "cudaGraphGetEdges");
  std::vector<cudaGraphNode_t> from(count);
  std::vector<cudaGraphNode_t> to(count);
  std::vector<cudaGraphEdgeData> data(count);
  check_cuda(cudaGraphGetEdges(graph, from.data(), to.data(), data.data(), &count),
             "cudaGraphGetEdges");
  std::vector<std::string> edges;
  for (size_t i = 0; i < count; ++i) {
    edges.push_back(
        fmt::format("{} -> {}: {}", names.at(from[i]), names.at(to[i]), edge_name(data[i])));
  }
  std::sort(edges.begin(), edges.end());
  std::string text;
  for (const std::string& edge : edges) text += (text.empty() ? "" : "; ") + edge;
  return text.empty() ? "no edge" : text;
}

Fact captured(Rig& rig, const std::string& label, const Chain& chain) {
  try {
    const std::vector<cudaGraph_t> graphs = rig.capture(chain);
    const std::string text = edges_of(graphs.front());
    for (cudaGraph_t graph : graphs) check_cuda(cudaGraphDestroy(graph), "cudaGraphDestroy");
    return {.label = label, .text = text};
  } catch (const CudaError& error) {
    return {.label = label, .text = fmt::format("refused: {}", error.what())};
  }
}

Kernel on_second_stream(Kernel kernel) {
  kernel.stream = 1;
  return kernel;
}

Chain fork_and_join(const Kernel& left, const Kernel& right, const Kernel& last) {
  return {normal({trigger()}),     RecordEvent{0, 0}, AwaitEvent{0, 1}, left,
          on_second_stream(right), RecordEvent{1, 1}, AwaitEvent{1, 0}, last};
}

std::vector<Case> joins() {
  const Kernel writer = dependent(late_writer());
  const Kernel idle = dependent({});
  const Kernel reader = dependent({wait(), read(1)});
  const Kernel early_reader = dependent({read(1), wait()});
  // An event that the writer fires releases a kernel of the other branch, which never waits.
  Kernel firing_writer = writer;
  firing_writer.programmatic_event = 0;
  const Chain other_branch{normal({trigger()}), firing_writer,
                           AwaitEvent{0, 1},    on_second_stream(normal({trigger()})),
                           normal({delay(50)}), on_second_stream(reader),
                           RecordEvent{1, 1},   AwaitEvent{1, 0}};
  return {{.label = "the join waits, then reads what the branch on its own stream wrote",
           .chain = fork_and_join(writer, idle, reader),
           .promise = Promise::kNever},
          {.label = "the join waits, then reads what the branch on the other stream wrote",
           .chain = fork_and_join(idle, writer, reader),
           .promise = Promise::kNever},
          {.label = "the join reads before its wait what the branch on its own stream wrote",
           .chain = fork_and_join(writer, idle, early_reader)},
          {.label = "the join reads before its wait what the branch on the other stream wrote",
           .chain = fork_and_join(idle, writer, early_reader)},
          {.label = "released by the writer's event on another branch: a middle that never waits, "
                    "then a reader that waits",
           .chain = other_branch}};
}

Findings run_graph_edges(Rig& rig) {
  const Kernel plain = normal({trigger()});
  const Kernel next = dependent({wait()});
  Kernel fires = plain;
  fires.programmatic_event = 0;
  Kernel fires_at_start = fires;
  fires_at_start.at_block_start = true;
  Kernel completes = plain;
  completes.launch_completion_event = 0;
  const auto other_stream = [&](const Kernel& first, const Kernel& second) {
    return Chain{first, AwaitEvent{0, 1}, on_second_stream(second), RecordEvent{1, 1},
                 AwaitEvent{1, 0}};
  };
  Findings findings;
  const auto add = [&](const std::string& label, const Chain& chain) {
    findings.facts.push_back(captured(rig, label, chain));
  };
  add("kernel, kernel with the attribute", {plain, next});
  add("kernel, kernel without it", {plain, plain});
  add("the attribute on the first kernel", {next, next});
  add("memset in between", {plain, Memset{}, next});
  add("host function in between", {plain, HostCall{}, next});
  add("event recorded in between", {plain, RecordEvent{}, next});
  add("fork: both branches with the attribute; join with it", fork_and_join(next, next, next));
  add("fork: both branches with the attribute; join without it", fork_and_join(next, next, plain));
  add("fork and join without any attribute", fork_and_join(plain, plain, plain));
  add("join with the attribute of a kernel and a memset",
      {plain, RecordEvent{0, 0}, AwaitEvent{0, 1}, on_second_stream(plain), RecordEvent{1, 1},
       Memset{}, AwaitEvent{1, 0}, next});
  add("event awaited that another stream recorded after its first kernel",
      {RecordEvent{0, 0}, AwaitEvent{0, 1}, on_second_stream(plain), RecordEvent{1, 1}, plain,
       AwaitEvent{1, 0}, next});
  add("programmatic event, awaited by another stream", other_stream(fires, plain));
  add("programmatic event at block start", other_stream(fires_at_start, plain));
  add("launch completion event", other_stream(completes, plain));
  findings.observations = observe(rig, joins()).observations;
  return findings;
}

}  // namespace

Experiment graph_edges_experiment() {
  return {.name = "graph-edges",
          .question = "Which edges does a capture make of launches with the attribute?",
          .looked_for = kOldValue,
          .run = run_graph_edges};
}

}  // namespace slipstream::litmus
