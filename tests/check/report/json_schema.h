// As much of JSON Schema (draft 7) as the schemas of reports use. A keyword that is not known fails.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace slipstream::check::test {

class JsonSchema {
 public:
  explicit JsonSchema(nlohmann::json schema) : schema_(std::move(schema)) {}

  // What is wrong with `value`, each with its place in it; empty if it is valid.
  [[nodiscard]] std::vector<std::string> errors(const nlohmann::json& value) const {
    std::vector<std::string> found;
    check(value, schema_, "", found);
    return found;
  }

 private:
  using Json = nlohmann::json;
  using Errors = std::vector<std::string>;

  static bool has_type(const Json& value, const std::string& type) {
    return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
           (type == "string" && value.is_string()) || (type == "boolean" && value.is_boolean()) ||
           (type == "integer" && value.is_number_integer());
  }

  void check(const Json& value, const Json& schema, const std::string& at, Errors& found) const {
    for (const auto& [keyword, rule] : schema.items()) {
      const auto fail = [&, &name = keyword](const std::string& what) {
        found.push_back(fmt::format("{}: {}: {}", at, name, what));
      };
      if (keyword == "$ref") {
        check(value, schema_.at(Json::json_pointer(rule.get<std::string>().substr(1))), at, found);
      } else if (keyword == "oneOf") {
        check_one_of(value, rule, at, found);
      } else if (keyword == "type") {
        if (!has_type(value, rule)) fail(value.dump());
      } else if (keyword == "enum") {
        if (std::find(rule.begin(), rule.end(), value) == rule.end()) fail(value.dump());
      } else if (keyword == "minimum") {
        if (value < rule) fail(value.dump());
      } else if (keyword == "minLength") {
        if (value.get<std::string>().size() < rule) fail(value.dump());
      } else if (keyword == "minItems") {
        if (value.size() < rule) fail(value.dump());
      } else if (keyword == "maxItems") {
        if (value.size() > rule) fail(value.dump());
      } else if (keyword == "uniqueItems") {
        if (std::set<Json>(value.begin(), value.end()).size() != value.size()) fail(value.dump());
      } else if (keyword == "required") {
        for (const Json& name : rule) {
          if (!value.contains(name.get<std::string>())) fail(name.dump());
        }
      } else if (keyword == "properties") {
        for (const auto& [name, inner] : rule.items()) {
          if (value.contains(name)) check(value[name], inner, at + "/" + name, found);
        }
      } else if (keyword == "additionalProperties") {
        for (const auto& [name, unused] : value.items()) {
          if (!schema["properties"].contains(name)) fail(name);
        }
      } else if (keyword == "items") {
        for (size_t i = 0; i < value.size(); ++i) {
          check(value[i], rule, fmt::format("{}/{}", at, i), found);
        }
      } else if (!is_comment(keyword)) {
        fail("not known");
      }
    }
  }

  static bool is_comment(const std::string& keyword) {
    static const std::set<std::string> kComments{"$schema", "title", "description", "definitions"};
    return kComments.contains(keyword);
  }

  void check_one_of(const Json& value, const Json& choices, const std::string& at,
                    Errors& found) const {
    Errors of_all;
    size_t fitting = 0;
    for (const Json& choice : choices) {
      Errors of_this;
      check(value, choice, at, of_this);
      fitting += of_this.empty() ? 1 : 0;
      of_all.insert(of_all.end(), of_this.begin(), of_this.end());
    }
    if (fitting == 1) return;
    found.push_back(fmt::format("{}: oneOf: {} fit", at, fitting));
    if (fitting == 0) found.insert(found.end(), of_all.begin(), of_all.end());
  }

  Json schema_;
};

}  // namespace slipstream::check::test
