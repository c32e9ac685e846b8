// Mistakes that others have made with drafts, planted between the launches of a step: by kernels that
// are handed something else than they should be. None may change what is generated, but for rejected
// rows that are read; so each must show in how many drafts are right, of the tiny model that counts,
// or in what is drafted.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/model/support/golden.h"
#include "tests/model/support/shapes.h"
#include "tests/model/support/tiny_files.h"
#include "tests/step/support/drafting.h"

namespace slipstream::step::test {
namespace {

using kernels::DraftParams;
using kernels::kMaxRows;
using kernels::LinearLaunch;
using kernels::Set;
using kernels::StepRow;

enum class Fault : uint8_t {
  kNone,
  kNotNormedForTheFirst,   // the hidden state from before the final norm
  kNotNormedForTheOthers,  // and from before shared_head.norm
  kChainedFromTheModel,    // later drafts get the model's hidden state, too
  kHalvesSwapped,          // of eh_proj
  kOnePositionFurther,     // the MTP layer's rows in its cache
  kNoCatchUp,              // only the last right row gets there
  kListOfTheModel,         // in place of the MTP layer's own
  kDraftsRead,             // by the rows before them, in all layers but the MTP layer
};

// What the faulty kernels know. One test at a time has them.
struct Planted {
  Fault fault = Fault::kNone;
  const StepRow* draft_rows = nullptr;  // of the MTP layer: launches that take them are its own
  const int* draft_sources = nullptr;   // and the model's rows that they belong to
  bool is_cleared = false;              // its cache
  std::optional<DeviceBuffer> hidden;   // in place of what is right
  std::optional<DeviceBuffer> sources;
  std::optional<DeviceBuffer> rows;
  std::optional<DeviceBuffer> tiles;
};
Planted planted;

const void* copy_of(std::optional<DeviceBuffer>& target, const void* source, size_t bytes,
                    cudaStream_t stream) {
  if (!target) target.emplace(bytes);
  check_cuda(cudaMemcpyAsync(target->data(), source, bytes, cudaMemcpyDeviceToDevice, stream),
             "copy of what a faulty kernel takes");
  return target->data();
}

// The left half of every tile's columns in place of the right one.
const std::byte* swapped_halves(const kernels::PackedMatrix& matrix, cudaStream_t stream) {
  const auto pitch = static_cast<size_t>(matrix.tile_bytes());
  const size_t half = pitch / 2;
  if (planted.tiles) return static_cast<const std::byte*>(planted.tiles->data());
  planted.tiles.emplace(pitch * matrix.tile_count());
  auto* const target = static_cast<std::byte*>(planted.tiles->data());
  for (const size_t first : {size_t{0}, half}) {
    check_cuda(cudaMemcpy2DAsync(target + first, pitch, matrix.tiles.get() + (half - first), pitch,
                                 half, matrix.tile_count(), cudaMemcpyDeviceToDevice, stream),
               "copy of half a matrix");
  }
  return target;
}

void start_of_draft(LinearLaunch<kernels::JoinedNormInput> params,
                    const pdl::LaunchOptions& options) {
  kernels::JoinedNormInput& input = params.input;
  kernels::PackedMatrix& matrix = params.linear.segments[0].matrix;
  const size_t hidden_bytes = size_t{kMaxRows} * input.columns * sizeof(__nv_bfloat16);
  const bool is_first = params.linear.tokens > 1;
  planted.draft_rows = input.step.get();
  planted.draft_sources = input.sources.get();
  const auto take_hidden = [&](const void* rows) {
    input.hidden = {static_cast<const __nv_bfloat16*>(rows)};
  };
  const bool is_not_normed =
      planted.fault == (is_first ? Fault::kNotNormedForTheFirst : Fault::kNotNormedForTheOthers);
  if (is_not_normed) {
    // The stream, to which the layers' MLPs add nothing; the launch will write there.
    take_hidden(copy_of(planted.hidden, params.linear.segments[0].output.get(), hidden_bytes,
                        options.stream));
  }
  if (planted.fault == Fault::kChainedFromTheModel) {
    if (is_first) {
      (void)copy_of(planted.hidden, input.hidden.get(), hidden_bytes, options.stream);
      (void)copy_of(planted.sources, input.sources.get(), kMaxRows * sizeof(int), options.stream);
    } else {
      take_hidden(planted.hidden->data());
      input.sources = {static_cast<const int*>(planted.sources->data())};
    }
  }
  if (planted.fault == Fault::kHalvesSwapped) {
    matrix.tiles = {swapped_halves(matrix, options.stream)};
  }
  kernels::plain_set().joined_norm_linear(params, options);
}

template <class T>
std::vector<T> download(const T* source, size_t count, cudaStream_t stream) {
  std::vector<T> result(count);
  check_cuda(
      cudaMemcpyAsync(result.data(), source, count * sizeof(T), cudaMemcpyDeviceToHost, stream),
      "copy of what a launch has left");
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
  return result;
}

template <class T>
void upload(const std::vector<T>& values, void* target) {
  check_cuda(cudaMemcpy(target, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
             "copy of what a launch takes");
}

// The same rows, each of the first `count` at the position after its own.
const StepRow* one_further(const StepRow* rows, int count, cudaStream_t stream) {
  std::vector<StepRow> moved = download(rows, kMaxRows, stream);
  for (int i = 0; i < count; ++i) ++moved[i].position;
  if (!planted.rows) planted.rows.emplace(moved.size() * sizeof(StepRow));
  upload(moved, planted.rows->data());
  return static_cast<const StepRow*>(planted.rows->data());
}

// So that rows which are never written are something.
void clear_once(const kernels::CacheWriteParams& cache, cudaStream_t stream) {
  if (std::exchange(planted.is_cleared, true)) return;
  const size_t bytes = size_t{kPages} * kernels::kPageSize * kernels::kLatentRow * 2;
  check_cuda(cudaMemsetAsync(cache.latent_cache.get(), 0, bytes, stream), "cudaMemset of a cache");
}

void fill_caches(kernels::LatentLaunch params, const pdl::LaunchOptions& options) {
  kernels::Places& places = params.cache.places;
  const bool is_draft = places.rows.get() == planted.draft_rows;
  if (is_draft) clear_once(params.cache, options.stream);
  if (is_draft && planted.fault == Fault::kOnePositionFurther) {
    places.rows = {one_further(places.rows.get(), params.linear.tokens, options.stream)};
  }
  // The last right row lies in front of the others.
  if (is_draft && planted.fault == Fault::kNoCatchUp) params.linear.tokens = 1;
  kernels::plain_set().latent(params, options);
}

void select_keys(const kernels::SelectParams& params, const pdl::LaunchOptions& options) {
  const bool is_draft = params.places.rows.get() == planted.draft_rows;
  if (!is_draft || planted.fault != Fault::kListOfTheModel) {
    return kernels::plain_set().select(params, options);
  }
  const size_t size = params.index_topk;
  const std::vector<int> of_model =
      download<int>(params.lists.get(), kMaxRows * size, options.stream);
  const std::vector<int> sources = download(planted.draft_sources, params.tokens, options.stream);
  std::vector<int> lists;
  for (const int source : sources) {
    const auto first = of_model.begin() + static_cast<ptrdiff_t>(source * size);
    lists.insert(lists.end(), first, first + params.index_topk);
  }
  upload(lists, params.lists.get());
}

void attend(const kernels::AttendParams& params, const pdl::LaunchOptions& options) {
  kernels::AttendParams faulty = params;
  const bool is_draft = params.places.rows.get() == planted.draft_rows;
  if (!is_draft && planted.fault == Fault::kDraftsRead) {
    faulty.places.rows = {one_further(params.places.rows.get(), params.tokens - 1, options.stream)};
  }
  kernels::plain_set().attend(faulty, options);
}

const Set& faulty_set() {
  static const Set kSet = [] {
    Set set = kernels::plain_set();
    set.joined_norm_linear = start_of_draft;
    set.latent = fill_caches;
    set.select = select_keys;
    set.attend = attend;
    return set;
  }();
  return kSet;
}

class DraftFaults : public testing::Test {
 protected:
  ~DraftFaults() override { planted = {}; }

  static void plant(Fault fault) {
    planted = {};
    planted.fault = fault;
  }

  // What the model that counts generates, one token by one, with two drafts each.
  static Generated counted(Fault fault) {
    plant(fault);
    const DeviceStep step =
        drafting_step(model::test::tiny_checkpoint("counting-tiny"), false, faulty_set());
    Generated result = process_prompt(step, {21, 22}, 0, {}, /*chunk=*/2);
    generate(step, {&result}, /*drafts=*/2, kTokens);
    result.tokens.resize(kTokens);
    return result;
  }

  static constexpr size_t kTokens = 14;
};

class DraftFaultsOfAcceptance : public DraftFaults, public testing::WithParamInterface<Fault> {};

TEST_P(DraftFaultsOfAcceptance, MakeDraftsWrongAndTokensNot) {
  const Generated right = counted(Fault::kNone);
  const Generated wrong = counted(GetParam());
  EXPECT_EQ(wrong.tokens, right.tokens);
  EXPECT_GT(wrong.won.size(), right.won.size()) << "steps";
}

std::string fault_name_of(const testing::TestParamInfo<Fault>& info) {
  constexpr std::array kNames{"None",
                              "NotNormedForTheFirst",
                              "NotNormedForTheOthers",
                              "ChainedFromTheModel",
                              "HalvesSwapped",
                              "OnePositionFurther",
                              "NoCatchUp"};
  return kNames.at(static_cast<size_t>(info.param));
}

INSTANTIATE_TEST_SUITE_P(Faults, DraftFaultsOfAcceptance,
                         testing::Values(Fault::kNotNormedForTheFirst,
                                         Fault::kNotNormedForTheOthers, Fault::kChainedFromTheModel,
                                         Fault::kHalvesSwapped, Fault::kOnePositionFurther,
                                         Fault::kNoCatchUp),
                         fault_name_of);

// Which keys are attended to tells only a model whose keys differ, in contexts longer than a list.
TEST_F(DraftFaults, OfListsMissTheGolden) {
  const model::test::Golden golden("deepseek-v32-tiny");
  const auto cosines_with = [&](Fault fault) {
    plant(fault);
    const DeviceStep step =
        drafting_step(model::test::tiny_checkpoint("deepseek-v32-tiny"), false, faulty_set());
    return draft_cosines(step, golden);
  };
  const double limit = golden.limits().draft_cosine;
  for (const double cosine : cosines_with(Fault::kNone)) EXPECT_GE(cosine, limit);
  const std::vector<double> faulty = cosines_with(Fault::kListOfTheModel);
  EXPECT_LT(*std::ranges::min_element(faulty), limit);
}

// What is generated then depends on what was drafted.
TEST_F(DraftFaults, ThatReadDraftsChangeTheCaches) {
  const std::string& directory =
      model::test::Shape{"FaultyDrafts", "deepseek-v32-tiny",
                         R"({"num_hidden_layers": 2, "first_k_dense_replace": 1,
                             "index_n_heads": 8})"}
          .directory();
  const auto caches_with = [&](Fault fault, int drafted) {
    plant(fault);
    const DeviceStep step = drafting_step(directory, false, faulty_set());
    Generated sequence = process_prompt(step, {17, 300, 4, 99, 250}, 0, {});
    generate(step, {&sequence}, /*drafts=*/2, /*count=*/4,
             [&](const Generated&, std::span<StepRow> rows) {
               for (StepRow& row : rows.subspan(1)) row.token = drafted;
             });
    EXPECT_EQ(std::accumulate(sequence.won.begin(), sequence.won.end(), 0),
              static_cast<int>(sequence.won.size()));
    return cache_rows(step, 2, 0, 5 + 3);
  };
  EXPECT_EQ(caches_with(Fault::kNone, 508), caches_with(Fault::kNone, 509));
  EXPECT_NE(caches_with(Fault::kDraftsRead, 508), caches_with(Fault::kDraftsRead, 509));
}

}  // namespace
}  // namespace slipstream::step::test
