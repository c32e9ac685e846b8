// Typed access to a JSON object whose errors name the file, the key, what the value must be and
// what it is.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace slipstream::io {

// One JSON object of a file.
class JsonReader {
 public:
  // The file's root. Throws InvalidArgument if it cannot be read, is not JSON, is not an object or
  // repeats a key.
  static JsonReader read(const std::string& file);
  // The same for text that is already in memory; `file` names it in errors.
  static JsonReader parse(const std::string& text, const std::string& file);

  // Absent and null are the same thing: published configs use both.
  [[nodiscard]] bool has(const std::string& key) const;
  [[nodiscard]] std::vector<std::string> keys() const;

  [[nodiscard]] int64_t integer(const std::string& key) const;
  [[nodiscard]] int64_t integer_or(const std::string& key, int64_t fallback) const;
  [[nodiscard]] double number(const std::string& key) const;
  [[nodiscard]] bool boolean_or(const std::string& key, bool fallback) const;
  [[nodiscard]] std::string text(const std::string& key) const;
  [[nodiscard]] std::string text_or(const std::string& key, const std::string& fallback) const;
  [[nodiscard]] std::optional<std::vector<std::string>> texts(const std::string& key) const;
  // One integer or a list of them; empty if absent.
  [[nodiscard]] std::vector<int64_t> integers(const std::string& key) const;
  [[nodiscard]] JsonReader object(const std::string& key) const;
  [[nodiscard]] std::vector<JsonReader> objects(const std::string& key) const;

  // An integer within [least, most].
  [[nodiscard]] int count(const std::string& key, int64_t least, int64_t most) const;

  // Throws InvalidArgument: "FILE: KEY must be MUST_BE, is IS".
  [[noreturn]] void fail(const std::string& key, const std::string& must_be) const;
  [[noreturn]] void fail(const std::string& key, const std::string& must_be,
                         const std::string& is) const;

 private:
  // `path` is the dotted key of the object inside the file, empty for the root.
  JsonReader(std::string file, std::shared_ptr<const nlohmann::json> root,
             const nlohmann::json& object, std::string path);
  [[nodiscard]] const nlohmann::json* find(const std::string& key) const;
  [[nodiscard]] const nlohmann::json& require(const std::string& key,
                                              const std::string& must_be) const;

  std::string file_;
  std::shared_ptr<const nlohmann::json> root_;
  const nlohmann::json* object_;
  std::string path_;
};

// The JSON itself, checked in the same way.
[[nodiscard]] nlohmann::json parse_json_object(const std::string& text, const std::string& file);

}  // namespace slipstream::io
