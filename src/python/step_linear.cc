// Operands of a decode step's launches, and its plain matrix products, for python/slipstream/_step.py.
// What the kernels do, step/kernels/set.h and the params.h of each folder say.
#include <tvm/ffi/tvm_ffi.h>

#include <cstring>

#include "python/export.h"
#include "python/step_call.h"
#include "step/kernels/linear/pack.h"
#include "step/kernels/support/code_units.h"

namespace slipstream::python {
namespace {

using step::kernels::kGroup;
using step::kernels::kTileRows;
using step::kernels::kUnitCodes;
using step::kernels::StepRow;
using tvm::ffi::TensorView;

// --- Operands in the forms that the kernels take

int64_t groups_of(int64_t extent) { return (extent + kGroup - 1) / kGroup; }

// A matrix and its scales of blocks of 128 x 128, if it is e4m3, as a checkpoint would hand it out.
model::MatrixShare share_of(const char* name, const TensorView& matrix,
                            const OptionalTensor& scales) {
  const bool is_fp8 = scales.has_value();
  const Tensor source = to_tensor(name, "matrix", matrix);
  require(name, "matrix", source, is_fp8 ? DType::kFloat8E4M3 : DType::kBFloat16, {kAny, kAny});
  model::MatrixShare share;
  share.type = is_fp8 ? model::StoredType::kF8E4M3 : model::StoredType::kBF16;
  share.rows = source.shape[0];
  share.columns = source.shape[1];
  share.data = static_cast<const std::byte*>(source.data);
  share.row_stride = share.columns * size_of(source.dtype);
  if (!is_fp8) return share;
  const Tensor blocks = to_tensor(name, "scales", scales.value());
  share.scale_columns = groups_of(share.columns);
  require(name, "scales", blocks, DType::kFloat32, {groups_of(share.rows), share.scale_columns});
  const auto* values = static_cast<const float*>(blocks.data);
  share.scales.assign(values, values + blocks.numel());
  return share;
}

void store_tiles(const char* name, const step::PackedHostMatrix& packed, const TensorView& tiles) {
  const Tensor target = to_tensor(name, "tiles", tiles);
  require(name, "tiles", target, DType::kUInt8, {static_cast<int64_t>(packed.tiles.size())});
  std::memcpy(target.data, packed.tiles.data(), packed.tiles.size());
}

// A matrix and its scales of blocks of 128 x 128, all in host memory, packed for the step.
void step_pack(const TensorView& matrix, const OptionalTensor& scales, const TensorView& tiles,
               const OptionalTensor& tile_scales) {
  with_python_errors([&] {
    const char* name = "step_pack";
    const model::MatrixShare share = share_of(name, matrix, scales);
    const step::PackedHostMatrix packed = step::pack(share);
    store_tiles(name, packed, tiles);
    if (!share.is_fp8()) return;
    const Tensor target_scales = to_tensor(name, "tile_scales", tile_scales.value());
    require(name, "tile_scales", target_scales, DType::kFloat32,
            {(share.rows + kTileRows - 1) / kTileRows, share.scale_columns});
    std::memcpy(target_scales.data, packed.scales.data(), packed.scales.size() * sizeof(float));
  });
}

// How many bytes such an e4m3 matrix takes in bands, and it itself.
int64_t step_band_bytes(int64_t rows, int64_t columns) {
  const step::kernels::PackedMatrix matrix{.rows = static_cast<int>(rows),
                                           .columns = static_cast<int>(columns),
                                           .is_fp8 = true,
                                           .is_banded = true};
  return matrix.bytes();
}

void step_pack_bands(const TensorView& matrix, const TensorView& scales, const TensorView& tiles) {
  with_python_errors([&] {
    const char* name = "step_pack_bands";
    store_tiles(name, step::pack_bands(share_of(name, matrix, scales)), tiles);
  });
}

// Activations that are quantized already, codes [tokens, columns] and scales of groups, in the form
// that the experts read (code_units.cuh); all in host memory.
void step_code_units(const TensorView& codes, const TensorView& scales, const TensorView& units) {
  with_python_errors([&] {
    const char* name = "step_code_units";
    const Tensor from = to_tensor(name, "codes", codes);
    require(name, "codes", from, DType::kFloat8E4M3, {kAny, kAny});
    const auto tokens = static_cast<int>(from.shape[0]);
    const auto groups = static_cast<int>(from.shape[1] / kUnitCodes);
    const Tensor from_scales = to_tensor(name, "scales", scales);
    require(name, "scales", from_scales, DType::kFloat32, {tokens, groups});
    const Tensor to = to_tensor(name, "units", units);
    require(name, "units", to, DType::kUInt8, {step::kernels::code_bytes(groups * tokens)});
    auto* const target = static_cast<std::byte*>(to.data);
    auto* const target_scales = target + int64_t{groups} * tokens * kUnitCodes;
    constexpr int kPiece = 16;  // bytes that stay together
    for (int group = 0; group < groups; ++group) {
      for (int token = 0; token < tokens; ++token) {
        const int unit = step::kernels::code_unit(group, token, tokens);
        const auto* source = static_cast<const std::byte*>(from.data) +
                             (int64_t{token} * groups + group) * kUnitCodes;
        for (int column = 0; column < kUnitCodes; column += kPiece) {
          std::memcpy(target + step::kernels::code_place(unit, column), source + column, kPiece);
        }
        std::memcpy(target_scales + unit * sizeof(float),
                    static_cast<const float*>(from_scales.data) + int64_t{token} * groups + group,
                    sizeof(float));
      }
    }
  });
}

// Writes to host memory the rows of tokens at these positions, each of a sequence of its own.
void step_rows(const TensorView& positions, const TensorView& rows) {
  with_python_errors([&] {
    const Tensor from = to_tensor("step_rows", "positions", positions);
    require("step_rows", "positions", from, DType::kInt32, {kAny});
    const Tensor to = to_tensor("step_rows", "rows", rows);
    require("step_rows", "rows", to, DType::kUInt8, {from.shape[0], sizeof(StepRow)});
    for (int i = 0; i < from.shape[0]; ++i) {
      const StepRow row{.position = static_cast<const int*>(from.data)[i], .sequence = i};
      std::memcpy(static_cast<std::byte*>(to.data) + i * sizeof row, &row, sizeof row);
    }
  });
}

int64_t step_row_bytes() { return sizeof(StepRow); }

// --- Matrix products

step::kernels::LinearParams linear_params(StepCall& call, int tokens,
                                          const step::kernels::PackedMatrix& matrix,
                                          const TensorView& output, bool ue8m0) {
  step::kernels::LinearParams linear;
  linear.tokens = tokens;
  linear.ue8m0 = ue8m0;
  const Tensor out = call.tensor("output", output, DType::kBFloat16, {tokens, matrix.rows});
  linear.segments[linear.segment_count++] = {matrix, produced<void>(out), matrix.rows, false};
  return linear;
}

// Of a workspace for rows of so many columns.
int64_t operand_bytes(int64_t tokens, int64_t columns) {
  const auto groups = static_cast<int>((columns + kGroup - 1) / kGroup);
  return step::kernels::OperandImage(groups, static_cast<int>(tokens)).bytes;
}

pdl::Produced<unsigned char> operand_space(StepCall& call, const OptionalTensor& operands,
                                           const Tensor& rows) {
  if (!operands.has_value()) return {};
  return produced<unsigned char>(call.tensor("operands", operands.value(), DType::kUInt8,
                                             {operand_bytes(rows.shape[0], rows.shape[1])}));
}

void step_plain_linear(const TensorView& input, const TensorView& tiles,
                       const OptionalTensor& scales, int64_t rows, const TensorView& output,
                       bool ue8m0, const OptionalTensor& operands, const OptionalBool& pdl) {
  with_python_errors([&] {
    StepCall call("step_plain_linear");
    const Tensor in = call.tensor("input", input, DType::kBFloat16, {kAny, kAny});
    const auto matrix = call.matrix("tiles", tiles, scales, rows, in.shape[1]);
    step::kernels::LinearLaunch<step::kernels::PlainInput> launch{
        linear_params(call, call.tokens("input", in), matrix, output, ue8m0), {}};
    launch.input = {.rows = produced<const __nv_bfloat16>(in),
                    .stride = in.shape[1],
                    .columns = static_cast<int>(in.shape[1]),
                    .operands = operand_space(call, operands, in)};
    step::kernels::plain_set().plain_linear(launch, call.options(pdl));
  });
}

void step_norm_linear(const TensorView& input, const TensorView& delta, const TensorView& gamma,
                      double eps, const TensorView& sum, const TensorView& tiles,
                      const OptionalTensor& scales, int64_t rows, const TensorView& output,
                      bool ue8m0, const OptionalTensor& operands, const OptionalBool& pdl) {
  with_python_errors([&] {
    StepCall call("step_norm_linear");
    const Tensor in = call.tensor("input", input, DType::kBFloat16, {kAny, kAny});
    const int64_t columns = in.shape[1];
    const int tokens = call.tokens("input", in);
    const auto matrix = call.matrix("tiles", tiles, scales, rows, columns);
    step::kernels::LinearLaunch<step::kernels::NormInput> launch{
        linear_params(call, tokens, matrix, output, ue8m0), {}};
    launch.input.rows = produced<const __nv_bfloat16>(in);
    launch.input.stride = columns;
    launch.input.delta = produced<const __nv_bfloat16>(
        call.tensor("delta", delta, DType::kBFloat16, {tokens, columns}));
    launch.input.gamma = constant<float>(call.tensor("gamma", gamma, DType::kFloat32, {columns}));
    launch.input.columns = static_cast<int>(columns);
    launch.input.eps = static_cast<float>(eps);
    launch.input.sum =
        produced<__nv_bfloat16>(call.tensor("sum", sum, DType::kBFloat16, {tokens, columns}));
    launch.input.operands = operand_space(call, operands, in);
    step::kernels::plain_set().norm_linear(launch, call.options(pdl));
  });
}

}  // namespace

SLIPSTREAM_EXPORT(step_pack, step_pack)
SLIPSTREAM_EXPORT(step_band_bytes, step_band_bytes)
SLIPSTREAM_EXPORT(step_pack_bands, step_pack_bands)
SLIPSTREAM_EXPORT(step_code_units, step_code_units)
SLIPSTREAM_EXPORT(step_rows, step_rows)
SLIPSTREAM_EXPORT(step_row_bytes, step_row_bytes)
SLIPSTREAM_EXPORT(step_plain_linear, step_plain_linear)
SLIPSTREAM_EXPORT(step_norm_linear, step_norm_linear)
SLIPSTREAM_EXPORT(step_operand_bytes, operand_bytes)

}  // namespace slipstream::python
