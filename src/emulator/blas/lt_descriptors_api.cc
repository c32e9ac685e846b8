// Descriptors of products, layouts and preferences: made, destroyed, and their attributes set and asked for.
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>

#include "emulator/blas/failure.h"
#include "emulator/blas/lt_descriptors.h"

namespace slipstream::emulator::blas {
namespace {

static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t));
static_assert(sizeof(Matmul) <= sizeof(cublasLtMatmulDescOpaque_t));
static_assert(sizeof(Preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t));

// Where a structure has an attribute, and its size.
struct Attribute {
  int number;
  size_t offset;
  size_t size;
};

template <class Structure, class Member>
Attribute attribute(int number, Member Structure::*member) {
  const Structure structure{};
  const auto* const start = reinterpret_cast<const std::byte*>(&structure);
  const auto* const place = reinterpret_cast<const std::byte*>(&(structure.*member));
  return {number, static_cast<size_t>(place - start), sizeof(Member)};
}

std::span<const Attribute> layout_attributes() {
  static const Attribute kAll[] = {
      attribute(CUBLASLT_MATRIX_LAYOUT_TYPE, &Layout::type),
      attribute(CUBLASLT_MATRIX_LAYOUT_ORDER, &Layout::order),
      attribute(CUBLASLT_MATRIX_LAYOUT_ROWS, &Layout::rows),
      attribute(CUBLASLT_MATRIX_LAYOUT_COLS, &Layout::columns),
      attribute(CUBLASLT_MATRIX_LAYOUT_LD, &Layout::leading),
      attribute(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &Layout::batch_count),
      attribute(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &Layout::batch_stride),
      attribute(CUBLASLT_MATRIX_LAYOUT_PLANE_OFFSET, &Layout::plane_offset),
      attribute(CUBLASLT_MATRIX_LAYOUT_BATCH_MODE, &Layout::batch_mode),
  };
  return kAll;
}

std::span<const Attribute> matmul_attributes() {
  static const Attribute kAll[] = {
      attribute(CUBLASLT_MATMUL_DESC_COMPUTE_TYPE, &Matmul::compute),
      attribute(CUBLASLT_MATMUL_DESC_SCALE_TYPE, &Matmul::scalar),
      attribute(CUBLASLT_MATMUL_DESC_POINTER_MODE, &Matmul::pointer_mode),
      attribute(CUBLASLT_MATMUL_DESC_TRANSA, &Matmul::transa),
      attribute(CUBLASLT_MATMUL_DESC_TRANSB, &Matmul::transb),
      attribute(CUBLASLT_MATMUL_DESC_TRANSC, &Matmul::transc),
      attribute(CUBLASLT_MATMUL_DESC_FILL_MODE, &Matmul::fill_mode),
      attribute(CUBLASLT_MATMUL_DESC_EPILOGUE, &Matmul::epilogue),
      attribute(CUBLASLT_MATMUL_DESC_BIAS_POINTER, &Matmul::bias),
      attribute(CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, &Matmul::bias_stride),
      attribute(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, &Matmul::auxiliary),
      attribute(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, &Matmul::auxiliary_leading),
      attribute(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, &Matmul::auxiliary_stride),
      attribute(CUBLASLT_MATMUL_DESC_ALPHA_VECTOR_BATCH_STRIDE, &Matmul::alpha_stride),
      attribute(CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, &Matmul::multiprocessors),
      attribute(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, &Matmul::a_scale),
      attribute(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, &Matmul::b_scale),
      attribute(CUBLASLT_MATMUL_DESC_C_SCALE_POINTER, &Matmul::c_scale),
      attribute(CUBLASLT_MATMUL_DESC_D_SCALE_POINTER, &Matmul::d_scale),
      attribute(CUBLASLT_MATMUL_DESC_AMAX_D_POINTER, &Matmul::largest_of_d),
      attribute(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_DATA_TYPE, &Matmul::auxiliary_type),
      attribute(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_SCALE_POINTER, &Matmul::auxiliary_scale),
      attribute(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_AMAX_POINTER, &Matmul::largest_of_auxiliary),
      attribute(CUBLASLT_MATMUL_DESC_FAST_ACCUM, &Matmul::fast_accumulation),
      attribute(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &Matmul::bias_type),
      attribute(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, &Matmul::a_scale_mode),
      attribute(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, &Matmul::b_scale_mode),
      attribute(CUBLASLT_MATMUL_DESC_C_SCALE_MODE, &Matmul::c_scale_mode),
      attribute(CUBLASLT_MATMUL_DESC_D_SCALE_MODE, &Matmul::d_scale_mode),
      attribute(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_SCALE_MODE, &Matmul::auxiliary_scale_mode),
      attribute(CUBLASLT_MATMUL_DESC_D_OUT_SCALE_POINTER, &Matmul::d_out_scale),
      attribute(CUBLASLT_MATMUL_DESC_D_OUT_SCALE_MODE, &Matmul::d_out_scale_mode),
  };
  return kAll;
}

std::span<const Attribute> preference_attributes() {
  static constexpr size_t kWord = sizeof(uint64_t);
  static const Attribute kAll[] = {
      {CUBLASLT_MATMUL_PREF_SEARCH_MODE, 0, sizeof(uint32_t)},
      {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWord, sizeof(uint64_t)},
      {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 2 * kWord, sizeof(uint32_t)},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 3 * kWord, sizeof(uint32_t)},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 3 * kWord + 4, sizeof(uint32_t)},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 4 * kWord, sizeof(uint32_t)},
      {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 4 * kWord + 4, sizeof(uint32_t)},
      {CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT, 5 * kWord, sizeof(float)},
      {CUBLASLT_MATMUL_PREF_IMPL_MASK, 6 * kWord, sizeof(uint64_t)},
  };
  return kAll;
}

const Attribute& find(std::span<const Attribute> attributes, int number) {
  const auto found = std::ranges::find(attributes, number, &Attribute::number);
  if (found == attributes.end()) refuse(fmt::format("attribute {} is not supported", number));
  return *found;
}

void set(std::span<const Attribute> attributes, void* structure, int number, const void* value,
         size_t size) {
  require_pointer("the descriptor", structure);
  require_pointer("buf", value);
  const Attribute& attribute = find(attributes, number);
  if (size != attribute.size) {
    throw Failure(CUBLAS_STATUS_INVALID_VALUE,
                  fmt::format("sizeInBytes of attribute {} must be {}, it is {}", number,
                              attribute.size, size));
  }
  std::memcpy(static_cast<std::byte*>(structure) + attribute.offset, value, size);
}

void get(std::span<const Attribute> attributes, const void* structure, int number, void* value,
         size_t size, size_t* written) {
  require_pointer("the descriptor", structure);
  const Attribute& attribute = find(attributes, number);
  if (written != nullptr) *written = attribute.size;
  // Asks for the size alone.
  if (size == 0 && written != nullptr) return;
  require_pointer("buf", value);
  require_at_least("sizeInBytes", static_cast<int64_t>(size), static_cast<int64_t>(attribute.size));
  std::memcpy(value, static_cast<const std::byte*>(structure) + attribute.offset, attribute.size);
}

// The structure that a program has room for.
template <class Structure, class Opaque>
void place(Opaque* opaque, const Structure& value) {
  require_pointer("the descriptor", opaque);
  new (opaque) Structure(value);
}

template <class Structure, class Opaque>
void create(Opaque** handle, const Structure& value) {
  require_pointer("the descriptor", handle);
  *handle = new Opaque{};
  place(*handle, value);
}

Layout layout(cudaDataType type, uint64_t rows, uint64_t columns, int64_t leading) {
  Layout made;
  made.type = type;
  made.rows = rows;
  made.columns = columns;
  made.leading = leading;
  return made;
}

Matmul matmul(cublasComputeType_t compute, cudaDataType scalar) {
  Matmul made;
  made.compute = compute;
  made.scalar = scalar;
  return made;
}

}  // namespace

Layout& layout_of(cublasLtMatrixLayout_t handle, const char* name) {
  require_pointer(name, handle);
  return *std::launder(reinterpret_cast<Layout*>(handle));
}

Matmul& matmul_of(cublasLtMatmulDesc_t handle) {
  require_pointer("computeDesc", handle);
  return *std::launder(reinterpret_cast<Matmul*>(handle));
}

}  // namespace slipstream::emulator::blas

using namespace slipstream::emulator::blas;

extern "C" {

cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout_t handle, size_t /*size*/,
                                                 cudaDataType type, uint64_t rows, uint64_t columns,
                                                 int64_t leading) {
  return answer("cublasLtMatrixLayoutInit",
                [&] { place(handle, layout(type, rows, columns, leading)); });
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* handle, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t leading) {
  return answer("cublasLtMatrixLayoutCreate",
                [&] { create(handle, layout(type, rows, columns, leading)); });
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t handle,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* value, size_t size) {
  return answer("cublasLtMatrixLayoutSetAttribute",
                [&] { set(layout_attributes(), handle, attribute, value, size); });
}
cublasStatus_t cublasLtMatrixLayoutGetAttribute(cublasLtMatrixLayout_t handle,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                void* value, size_t size, size_t* written) {
  return answer("cublasLtMatrixLayoutGetAttribute",
                [&] { get(layout_attributes(), handle, attribute, value, size, written); });
}

cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc_t handle, size_t /*size*/,
                                               cublasComputeType_t compute, cudaDataType scalar) {
  return answer("cublasLtMatmulDescInit", [&] { place(handle, matmul(compute, scalar)); });
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* handle, cublasComputeType_t compute,
                                        cudaDataType scalar) {
  return answer("cublasLtMatmulDescCreate", [&] { create(handle, matmul(compute, scalar)); });
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t handle,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t size) {
  return answer("cublasLtMatmulDescSetAttribute",
                [&] { set(matmul_attributes(), handle, attribute, value, size); });
}
cublasStatus_t cublasLtMatmulDescGetAttribute(cublasLtMatmulDesc_t handle,
                                              cublasLtMatmulDescAttributes_t attribute, void* value,
                                              size_t size, size_t* written) {
  return answer("cublasLtMatmulDescGetAttribute",
                [&] { get(matmul_attributes(), handle, attribute, value, size, written); });
}

cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference_t handle,
                                                     size_t /*size*/) {
  return answer("cublasLtMatmulPreferenceInit", [&] { place(handle, Preference()); });
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* handle) {
  return answer("cublasLtMatmulPreferenceCreate", [&] { create(handle, Preference()); });
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t handle,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t size) {
  return answer("cublasLtMatmulPreferenceSetAttribute",
                [&] { set(preference_attributes(), handle, attribute, value, size); });
}
cublasStatus_t cublasLtMatmulPreferenceGetAttribute(cublasLtMatmulPreference_t handle,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    void* value, size_t size, size_t* written) {
  return answer("cublasLtMatmulPreferenceGetAttribute",
                [&] { get(preference_attributes(), handle, attribute, value, size, written); });
}

}  // extern "C"
