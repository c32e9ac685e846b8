// BLAS's first level. The types of x, y and of scalars may differ, so each is converted to what is computed in.
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <span>

#include "emulator/blas/elements.h"
#include "emulator/blas/routines.h"

namespace slipstream::emulator::blas {
namespace {

template <class T>
using Values = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>>;
template <class T>
Values<T> map(std::vector<T>& values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

template <class T>
struct Tag {
  using Type = T;
};

// Calls `compute` with the Tag of what vectors of that type are computed in: double, for there are few elements, and
// one form for all types is read and compiled faster.
template <class Compute>
void in_arithmetic_of(cudaDataType type, Compute compute) {
  switch (type) {
    case CUDA_C_32F:
    case CUDA_C_64F:
      return compute(Tag<std::complex<double>>());
    case CUDA_R_64F:
    case CUDA_R_32F:
    case CUDA_R_16F:
    case CUDA_R_16BF:
      return compute(Tag<double>());
    default:
      refuse("vectors of this type are not supported");
  }
}

View view_of(const Operand& operand, int64_t n) {
  return vector(operand.data, operand.type, std::max(int64_t{0}, n), operand.step);
}

Scalar alpha_of(const cublasContext& context, const Vectors& arguments) {
  return {"alpha", arguments.alpha, arguments.scalar,
          context.pointer_mode == CUBLAS_POINTER_MODE_DEVICE};
}

// The functions whose types are arguments take any: real and complex ones do not go together.
void require_alike(cudaDataType x, cudaDataType other) {
  if (bytes_of(other) != 0 && is_complex(x) == is_complex(other)) return;
  refuse("x, y and the result must be all real or all complex, of types that vectors have");
}

using Uses = std::vector<runtime::MemoryUse>;

// Puts work that changes vectors into the stream.
void change(const Routine& routine, const Vectors& arguments, Uses uses,
            std::function<void()> work) {
  const cublasContext& context = context_of(routine.handle);
  if (arguments.n <= 0) return;
  enqueue(context.stream, {routine.name, std::move(uses), {}, std::move(work)});
}

// Puts work that gives one value of so many bytes into the stream: it writes where it is told. In pointer mode host,
// waits for it.
void give(const Routine& routine, const Vectors& arguments, Uses uses, size_t bytes,
          const std::function<void(std::byte*)>& work) {
  const cublasContext& context = context_of(routine.handle);
  require_pointer("result", arguments.result);
  if (context.pointer_mode == CUBLAS_POINTER_MODE_DEVICE) {
    const View result = vector(arguments.result, CUDA_R_8I, static_cast<int64_t>(bytes), 1);
    uses.push_back(use_of("result", result, true));
    enqueue(context.stream,
            {routine.name, std::move(uses), {}, [result, work] { work(result.data); }});
    return;
  }
  constexpr size_t kLargest = 16;
  const auto result = std::make_shared<std::array<std::byte, kLargest>>();
  enqueue(context.stream,
          {routine.name, std::move(uses), {}, [result, work] { work(result->data()); }});
  wait_for(context.stream);
  std::memcpy(arguments.result, result->data(), bytes);
}

// A value of the type that the function says.
template <class T>
void give_scalar(const Routine& routine, const Vectors& arguments, Uses uses,
                 const std::function<T()>& work) {
  const cudaDataType type = arguments.scalar;
  give(routine, arguments, std::move(uses), bytes_of(type), [type, work](std::byte* to) {
    const T value = work();
    store<T>(vector(to, type, 1, 1), &value);
  });
}

void give_dot(const Routine& routine, const Vectors& arguments, bool conjugates) {
  require_alike(arguments.x.type, arguments.y.type);
  require_alike(arguments.x.type, arguments.scalar);
  View x = view_of(arguments.x, arguments.n);
  x.conjugated = conjugates;
  const View y = view_of(arguments.y, arguments.n);
  in_arithmetic_of(arguments.x.type, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    give_scalar<T>(routine, arguments, {use_of("x", x, false), use_of("y", y, false)}, [=] {
      std::vector<T> left = load<T>(x);
      std::vector<T> right = load<T>(y);
      return left.empty() ? T(0) : (map(left).transpose() * map(right)).value();
    });
  });
}

// The norm or the sum of magnitudes: real numbers, of complex vectors, too. Vectors of no or a negative step have none.
template <class Reduce>
void give_magnitude(const Routine& routine, const Vectors& arguments, Reduce reduce) {
  require_alike(CUDA_R_64F, arguments.scalar);
  const int64_t n = arguments.x.step <= 0 ? 0 : arguments.n;
  const View x = view_of(arguments.x, n);
  in_arithmetic_of(arguments.x.type, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    give_scalar<double>(routine, arguments, {use_of("x", x, false)}, [=]() -> double {
      const std::vector<T> values = load<T>(x);
      // Complex numbers are as many pairs of real ones.
      const auto* const parts = reinterpret_cast<const double*>(values.data());
      return reduce(std::span(parts, values.size() * sizeof(T) / sizeof(double)));
    });
  });
}

// BLAS's magnitude of a complex number is the sum of those of its parts.
template <class T>
auto magnitude(const T& value) {
  return std::abs(std::real(value)) + std::abs(std::imag(value));
}

template <class Better>
void give_index(const Routine& routine, const Vectors& arguments, Better better) {
  const int64_t n = arguments.x.step <= 0 ? 0 : arguments.n;
  const View x = view_of(arguments.x, n);
  const Uses uses{use_of("x", x, false)};
  in_arithmetic_of(arguments.x.type, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const size_t bytes = routine.is_wide ? sizeof(int64_t) : sizeof(int32_t);
    give(routine, arguments, uses, bytes, [=](std::byte* to) {
      const std::vector<T> values = load<T>(x);
      const auto best = std::ranges::min_element(values, better, magnitude<T>);
      const int64_t index = values.empty() ? 0 : best - values.begin() + 1;
      std::memcpy(to, &index, bytes);  // the lower half is the short form
    });
  });
}

}  // namespace

cublasStatus_t axpy(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] {
    require_alike(arguments.x.type, arguments.y.type);
    const Scalar alpha = alpha_of(context_of(routine.handle), arguments);
    const View x = view_of(arguments.x, arguments.n);
    const View y = view_of(arguments.y, arguments.n);
    Uses uses{use_of("x", x, false), use_of("y", y, false), use_of("y", y, true)};
    if (!alpha.is_known()) uses.push_back(alpha.use());
    in_arithmetic_of(arguments.y.type, [&](auto tag) {
      using T = typename decltype(tag)::Type;
      change(routine, arguments, uses, [=] {
        std::vector<T> from = load<T>(x);
        std::vector<T> to = load<T>(y);
        map(to) += scalar<T>(alpha.value()) * map(from);
        store<T>(y, to.data());
      });
    });
  });
}

cublasStatus_t scal(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] {
    const Scalar alpha = alpha_of(context_of(routine.handle), arguments);
    const View x = view_of(arguments.x, arguments.x.step <= 0 ? 0 : arguments.n);
    Uses uses{use_of("x", x, false), use_of("x", x, true)};
    if (!alpha.is_known()) uses.push_back(alpha.use());
    in_arithmetic_of(arguments.x.type, [&](auto tag) {
      using T = typename decltype(tag)::Type;
      change(routine, arguments, uses, [=] {
        std::vector<T> values = load<T>(x);
        if (values.empty()) return;
        map(values) *= scalar<T>(alpha.value());
        store<T>(x, values.data());
      });
    });
  });
}

cublasStatus_t copy(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] {
    const View x = view_of(arguments.x, arguments.n);
    const View y = view_of(arguments.y, arguments.n);
    in_arithmetic_of(arguments.x.type, [&](auto tag) {
      using T = typename decltype(tag)::Type;
      change(routine, arguments, {use_of("x", x, false), use_of("y", y, true)},
             [=] { store<T>(y, load<T>(x).data()); });
    });
  });
}

cublasStatus_t swap(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] {
    const View x = view_of(arguments.x, arguments.n);
    const View y = view_of(arguments.y, arguments.n);
    const Uses uses{use_of("x", x, false), use_of("y", y, false), use_of("x", x, true),
                    use_of("y", y, true)};
    in_arithmetic_of(arguments.x.type, [&](auto tag) {
      using T = typename decltype(tag)::Type;
      change(routine, arguments, uses, [=] {
        const std::vector<T> values = load<T>(x);
        store<T>(x, load<T>(y).data());
        store<T>(y, values.data());
      });
    });
  });
}

cublasStatus_t dot(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] { give_dot(routine, arguments, /*conjugates=*/false); });
}

cublasStatus_t dotc(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] { give_dot(routine, arguments, /*conjugates=*/true); });
}

cublasStatus_t nrm2(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] {
    give_magnitude(routine, arguments, [](std::span<const double> parts) {
      // Neither overflows nor underflows on the way.
      const auto size = static_cast<Eigen::Index>(parts.size());
      return Eigen::Map<const Eigen::VectorXd>(parts.data(), size).stableNorm();
    });
  });
}

cublasStatus_t asum(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] {
    give_magnitude(routine, arguments, [](std::span<const double> parts) {
      return std::accumulate(parts.begin(), parts.end(), 0.0,
                             [](double sum, double part) { return sum + std::abs(part); });
    });
  });
}

cublasStatus_t amax(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] { give_index(routine, arguments, std::greater<>()); });
}

cublasStatus_t amin(const Routine& routine, const Vectors& arguments) noexcept {
  return answer(routine.name, [&] { give_index(routine, arguments, std::less<>()); });
}

}  // namespace slipstream::emulator::blas
