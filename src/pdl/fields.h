// The list of the pointers in a kernel's parameter struct, and the proof that none is missing: the
// checkers of compiled code know only what is listed.
//
//   inline constexpr auto kScaleFields = SLIPSTREAM_FIELDS(ScaleParams, input, table.cos_sin);
//
// does not compile where ScaleParams, or a struct or an array in it, holds another pointer.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "slipstream/pdl.cuh"

namespace slipstream::pdl {

// Nothing is proved where nvcc compiles: the host's compiler reads the same headers, for host code.
#if !defined(__CUDACC__)

// The pointers that an object of type T holds, those in its structs and arrays included.
template <class T>
constexpr size_t pointers_in();

// A struct is looked into by asking what it may be initialized with: T{anything, anything, P} is
// well-formed exactly if T has three members or more and the third can be made from P. Members that
// are arrays take an initializer for each element, as they do without braces of their own.
namespace fields_detail {

// These are made to be converted to the type of a member without being asked.
// NOLINTBEGIN(google-explicit-constructor)
template <size_t number>
struct Anything {
  template <class Member>
  operator Member() const;
};
struct AnyPointer {
  template <class Member>
  requires std::is_pointer_v<Member>
  operator Member() const;
};
struct AnyStruct {
  template <class Member>
  requires std::is_class_v<Member>
  operator Member() const;
};
template <size_t least>
struct StructWithPointers {
  template <class Member>
  requires(std::is_class_v<Member>&& pointers_in<Member>() >= least) operator Member() const;
};
// NOLINTEND(google-explicit-constructor)

// Can the member after `before` others be made from Initializer?
template <class T, class Initializer, size_t... before>
constexpr bool accepts(std::index_sequence<before...>) {
  return requires { T{std::declval<Anything<before>>()..., std::declval<Initializer>()}; };
}

// Is the member after `before` others an array of at least so many elements?
template <class T, size_t... before, size_t... elements>
constexpr bool accepts_elements(std::index_sequence<before...>, std::index_sequence<elements...>) {
  return requires {
    T{std::declval<Anything<before>>()..., {std::declval<Anything<elements>>()...}};
  };
}

// The elements of the array of numbers after `index` members, from `known` to below `limit`; 1
// where there is no array.
template <class T, size_t index, size_t known, size_t limit>
constexpr size_t extent_of_member() {
  if constexpr (known + 1 == limit) {
    return known;
  } else {
    constexpr size_t kMiddle = (known + limit) / 2;
    if constexpr (accepts_elements<T>(std::make_index_sequence<index>(),
                                      std::make_index_sequence<kMiddle>())) {
      return extent_of_member<T, index, kMiddle, limit>();
    } else {
      return extent_of_member<T, index, known, kMiddle>();
    }
  }
}

// Of a struct, from `known` to below `limit`. What does not fit the struct is tried on its own first member, which has no
// more.
template <class T, size_t index, size_t known, size_t limit>
constexpr size_t pointers_in_struct_member() {
  if constexpr (known + 1 == limit) {
    return known;
  } else {
    constexpr size_t kMiddle = known == 0 ? 1 : (known + limit) / 2;  // most have none
    if constexpr (accepts<T, StructWithPointers<kMiddle>>(std::make_index_sequence<index>())) {
      return pointers_in_struct_member<T, index, kMiddle, limit>();
    } else {
      return pointers_in_struct_member<T, index, known, kMiddle>();
    }
  }
}

template <class T, size_t index>
constexpr size_t pointers_from_member() {
  constexpr std::make_index_sequence<index> kBefore;
  if constexpr (!accepts<T, Anything<index>>(kBefore)) {
    return 0;
  } else if constexpr (accepts<T, AnyStruct>(kBefore)) {
    return pointers_in_struct_member<T, index, 0, sizeof(T) / sizeof(void*) + 1>() +
           pointers_from_member<T, index + 1>();
  } else if constexpr (accepts<T, AnyPointer>(kBefore)) {
    return 1 + pointers_from_member<T, index + 1>();
  } else {
    return pointers_from_member<T, index + extent_of_member<T, index, 1, sizeof(T) + 1>()>();
  }
}

}  // namespace fields_detail

template <class T>
constexpr size_t pointers_in() {
  if constexpr (std::is_pointer_v<T>) {
    return 1;
  } else if constexpr (!std::is_class_v<T> || sizeof(T) < sizeof(void*)) {
    return 0;
  } else {
    static_assert(std::is_aggregate_v<T>,
                  "structs of parameters must be aggregates: others hide what they hold");
    return fields_detail::pointers_from_member<T, 0>();
  }
}

// No field is listed twice.
template <size_t count>
constexpr bool are_distinct(const std::array<Field, count>& fields) {
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = i + 1; j < count; ++j) {
      if (fields[i].offset == fields[j].offset) return false;
    }
  }
  return true;
}

// True if `fields` names every pointer of Params.
template <class Params, size_t count>
constexpr bool lists_every_pointer(const std::array<Field, count>& fields) {
  return pointers_in<Params>() == count && are_distinct(fields);
}

#endif  // !__CUDACC__

// `fields`. Where one is missing it does not compile.
template <class Params, size_t count>
consteval std::array<Field, count> checked_fields(const std::array<Field, count>& fields) {
#if !defined(__CUDACC__)
  if (!lists_every_pointer<Params>(fields)) {
    throw "a pointer of the parameter struct is missing in SLIPSTREAM_FIELDS, or named twice";
  }
#endif
  return fields;
}

}  // namespace slipstream::pdl

// SLIPSTREAM_FIELDS(Params, a, b.c, ...): the pointers of Params, at most 16, as an array of
// pdl::Field. Members are Constant<>, Settled<> or Produced<>, which say their role.
#define SLIPSTREAM_FIELDS(Params, ...) \
  ::slipstream::pdl::checked_fields<Params>(::std::array{SLIPSTREAM_FIELDS_1(Params, __VA_ARGS__)})
// NOLINTBEGIN(bugprone-macro-parentheses): a type and the name of a member take none
#define SLIPSTREAM_FIELD(Params, member) \
  ::slipstream::pdl::field<decltype(Params{}.member)>(#member, offsetof(Params, member))
// NOLINTEND(bugprone-macro-parentheses)

// The first of the members, and the next macro for the others.
// clang-format off
#define SLIPSTREAM_FIELDS_1(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_2(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_2(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_3(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_3(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_4(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_4(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_5(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_5(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_6(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_6(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_7(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_7(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_8(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_8(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_9(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_9(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_10(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_10(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_11(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_11(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_12(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_12(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_13(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_13(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_14(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_14(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_15(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_15(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_16(P, __VA_ARGS__))
#define SLIPSTREAM_FIELDS_16(P, m, ...) SLIPSTREAM_FIELD(P, m) __VA_OPT__(, SLIPSTREAM_FIELDS_17(P, __VA_ARGS__))
// clang-format on
