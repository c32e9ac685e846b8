// Reads PTX text character by character: blanks, comments, words, numbers and strings, counting
// lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "code/ptx/module.h"

namespace slipstream::ptx {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A numeric constant. Integers are kept as 64 bits, floats as their bit pattern.
struct Number {
  enum class Kind : uint8_t { kInteger, kFloat32, kFloat64 };
  Kind kind = Kind::kInteger;
  uint64_t bits = 0;
};

// Every reading function first skips blanks and comments. `text` must be followed by a NUL byte (a
// std::string is).
class Cursor {
 public:
  Cursor(std::string_view text, const std::string& file)
      : begin_(text.data()), here_(text.data()), end_(text.data() + text.size()), file_(file) {}

  // The next character that is neither blank nor comment, not consumed; NUL at the end of the text.
  char peek() {
    skip_blanks();
    return *here_;
  }
  bool at_end() {
    skip_blanks();
    return here_ == end_;
  }
  // Consumes the next character if it is `expected`.
  bool accept(char expected) {
    if (peek() != expected || here_ == end_) return false;
    ++here_;
    return true;
  }
  // The same without skipping blanks first.
  bool accept_adjacent(char expected) {
    if (*here_ != expected || here_ == end_) return false;
    ++here_;
    return true;
  }
  [[nodiscard]] char peek_adjacent() const { return *here_; }
  [[nodiscard]] char peek_adjacent(uint32_t ahead) const {
    return here_ + ahead < end_ ? here_[ahead] : '\0';
  }
  void expect(char expected, std::string_view where);

  // An identifier: letters, digits, '_', '$' and '%', not starting with a digit. Empty if there is
  // none.
  std::string_view word();
  std::string_view expect_word(std::string_view what);
  // A directive or type such as ".reg" or ".u32", without its dot. Empty if there is none.
  std::string_view directive();
  // Consumes the directive if it is exactly `expected`.
  bool accept_directive(std::string_view expected);
  // Extends `head`, a word just read, over the modifiers that follow it: "ld" to
  // "ld.global.L2::128B".
  std::string_view opcode_after(std::string_view head);
  // A constant without sign: 12, 0x1F, 0b101, 017, 12U, 1.5e3, 0f3F800000, 0d3FF0000000000000.
  Number number();
  // Digits and points as they stand: "9.0".
  std::string_view decimal_text(std::string_view what);
  // An unsigned integer that must fit 32 bits.
  uint32_t unsigned_integer(std::string_view what);
  // A string in double quotes, without them.
  std::string_view quoted_string();
  // Moves past the next `stop`, which must exist.
  void skip_past(char stop, std::string_view what);

  [[nodiscard]] uint32_t line() const { return line_; }
  [[nodiscard]] uint32_t offset() const { return static_cast<uint32_t>(here_ - begin_); }
  [[nodiscard]] std::string_view text_from(uint32_t offset) const {
    return {begin_ + offset, static_cast<size_t>(here_ - begin_) - offset};
  }
  [[nodiscard]] std::string_view text_at(uint32_t offset, uint32_t length) const {
    return {begin_ + offset, length};
  }
  [[noreturn]] void fail(const std::string& what) const;
  // What stands at the cursor, for messages.
  std::string describe_next();

 private:
  void skip_blanks() {
    while (static_cast<unsigned char>(*here_) <= ' ' || *here_ == '/') {
      if (!skip_one_blank()) return;
    }
  }
  bool skip_one_blank();
  void skip_block_comment();
  Number decimal_number();
  Number hexadecimal_float(uint32_t digits, Number::Kind kind);
  uint64_t digits_in_base(uint32_t base);

  const char* begin_;
  const char* here_;
  const char* end_;
  uint32_t line_ = 1;
  const std::string& file_;
};

}  // namespace slipstream::ptx
