// A JSON value that is put together and written; json_reader.h reads. Cheap to include.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace slipstream::io {

class Json {
 public:
  // An object's members in the order of writing.
  using Members = std::vector<std::pair<std::string, Json>>;

  Json() = default;  // null
  Json(std::same_as<bool> auto value) : value_(value) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) Json(T value) {
    if constexpr (std::is_signed_v<T>) {
      value_ = static_cast<int64_t>(value);
    } else {
      value_ = static_cast<uint64_t>(value);
    }
  }
  Json(double value) : value_(value) {}  // null where it is not finite
  Json(const char* text) : value_(std::string(text)) {}
  Json(std::string text) : value_(std::move(text)) {}
  Json(std::string_view text) : value_(std::string(text)) {}
  // An object.
  Json(std::initializer_list<std::pair<const char*, Json>> members);
  // An array of what a container holds.
  template <class Container>
  [[nodiscard]] static Json array_of(const Container& values) {
    Json result = array();
    for (const auto& value : values) result.push_back(Json(value));
    return result;
  }
  [[nodiscard]] static Json array();

  // The member with this name; of null, which becomes an object, and where it is missing, a new one
  // that is null. `this` must not be anything else.
  Json& operator[](std::string_view name);
  // Appends to an array, or to null, which becomes one.
  void push_back(Json value);

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(value_); }

  // On one line, or with a line for each value, indented by so many spaces per level.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string text(int indent) const;

 private:
  void append(std::string& text, int indent, int level) const;

  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, std::vector<Json>,
               Members>
      value_;
};

}  // namespace slipstream::io
