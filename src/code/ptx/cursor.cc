#include "code/ptx/cursor.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>

namespace slipstream::ptx {
namespace {

// Letters, digits and what else a name may hold.
constexpr std::array<bool, 256> find_word_characters() {
  std::array<bool, 256> found{};
  for (int c = 'a'; c <= 'z'; ++c) found[c] = found[c - 'a' + 'A'] = true;
  for (int c = '0'; c <= '9'; ++c) found[c] = true;
  found['_'] = found['$'] = found['%'] = true;
  return found;
}

constexpr auto kWordCharacters = find_word_characters();

bool is_word_character(char c) { return kWordCharacters[static_cast<unsigned char>(c)]; }

// Value of a digit in any base up to 16, or 16 if it is none.
uint32_t digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint32_t>(c - '0');
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? static_cast<uint32_t>(lower - 'a') + 10 : 16;
}

}  // namespace

void Cursor::fail(const std::string& what) const { throw ParseError(file_, line_, what); }

std::string Cursor::describe_next() {
  skip_blanks();
  if (here_ == end_) return "the end of the text";
  const char* stop = here_;
  while (stop<end_&& * stop> ' ' && stop - here_ < 32) ++stop;
  if (stop == here_) return fmt::format("the byte 0x{:02x}", static_cast<unsigned char>(*here_));
  return fmt::format("\"{}\"", std::string_view(here_, stop));
}

bool Cursor::skip_one_blank() {
  switch (*here_) {
    case '\n':
      ++line_;
      [[fallthrough]];
    case ' ':
    case '\t':
    case '\r':
    case '\f':
    case '\v':
      ++here_;
      return true;
    case '/':
      if (here_[1] == '/') {
        while (here_ < end_ && *here_ != '\n') ++here_;
        return true;
      }
      if (here_[1] == '*') {
        skip_block_comment();
        return true;
      }
      return false;
    default:
      return false;
  }
}

void Cursor::skip_block_comment() {
  const uint32_t start_line = line_;
  here_ += 2;
  while (here_ < end_ && !(here_[0] == '*' && here_[1] == '/')) {
    line_ += *here_ == '\n' ? 1 : 0;
    ++here_;
  }
  if (here_ == end_) {
    fail(fmt::format("the comment that starts in line {} must end with */", start_line));
  }
  here_ += 2;
}

void Cursor::expect(char expected, std::string_view where) {
  if (!accept(expected)) {
    fail(fmt::format("{} must have '{}' here, not {}", where, expected, describe_next()));
  }
}

std::string_view Cursor::word() {
  skip_blanks();
  const char* start = here_;
  if (is_digit(*here_)) return {};
  while (is_word_character(*here_)) ++here_;
  return {start, static_cast<size_t>(here_ - start)};
}

std::string_view Cursor::expect_word(std::string_view what) {
  const std::string_view result = word();
  if (result.empty()) fail(fmt::format("expected {}, not {}", what, describe_next()));
  return result;
}

std::string_view Cursor::directive() {
  if (peek() != '.') return {};
  const char* start = here_ + 1;
  const char* stop = start;
  while (is_word_character(*stop)) ++stop;
  if (stop == start) fail(fmt::format("a directive must follow the dot, not {}", describe_next()));
  here_ = stop;
  return {start, static_cast<size_t>(stop - start)};
}

bool Cursor::accept_directive(std::string_view expected) {
  if (peek() != '.') return false;
  const char* start = here_;
  if (directive() == expected) return true;
  here_ = start;
  return false;
}

std::string_view Cursor::opcode_after(std::string_view head) {
  while (true) {
    if (is_word_character(*here_) || *here_ == '.') {
      ++here_;
    } else if (here_[0] == ':' && here_[1] == ':') {
      here_ += 2;
    } else {
      return {head.begin(), here_};
    }
  }
}

uint64_t Cursor::digits_in_base(uint32_t base) {
  const char* start = here_;
  uint64_t value = 0;
  for (uint32_t digit = digit_value(*here_); digit < base; digit = digit_value(*here_)) {
    if (value > (UINT64_MAX - digit) / base) {
      fail(fmt::format("the constant {}... must fit 64 bits", std::string_view(start, here_)));
    }
    value = value * base + digit;
    ++here_;
  }
  if (here_ == start) {
    fail(fmt::format("a base-{} constant must have a digit, not {}", base, describe_next()));
  }
  return value;
}

Number Cursor::hexadecimal_float(uint32_t digits, Number::Kind kind) {
  here_ += 2;
  uint64_t bits = 0;
  for (uint32_t i = 0; i < digits; ++i, ++here_) {
    const uint32_t digit = digit_value(*here_);
    if (digit == 16) {
      fail(fmt::format("a 0{} constant must have {} hexadecimal digits, not {}",
                       kind == Number::Kind::kFloat32 ? 'f' : 'd', digits, i));
    }
    bits = bits << 4 | digit;
  }
  return {kind, bits};
}

Number Cursor::decimal_number() {
  const char* stop = here_;
  while (is_digit(*stop)) ++stop;
  if (*stop != '.' && *stop != 'e' && *stop != 'E') {
    const bool octal = *here_ == '0' && stop - here_ > 1;
    return {Number::Kind::kInteger, digits_in_base(octal ? 8 : 10)};
  }
  double value = 0;
  const auto [rest, error] = std::from_chars(here_, end_, value);
  if (error != std::errc()) {
    fail(fmt::format("expected a floating-point constant, not {}", describe_next()));
  }
  here_ = rest;
  return {Number::Kind::kFloat64, std::bit_cast<uint64_t>(value)};
}

Number Cursor::number() {
  skip_blanks();
  if (!is_digit(*here_)) fail(fmt::format("expected a number, not {}", describe_next()));
  Number result;
  const char prefix = here_[0] == '0' ? static_cast<char>(here_[1] | 0x20) : '\0';
  if (prefix == 'f') return hexadecimal_float(8, Number::Kind::kFloat32);
  if (prefix == 'd') return hexadecimal_float(16, Number::Kind::kFloat64);
  if (prefix == 'x' || prefix == 'b') {
    here_ += 2;
    result = {Number::Kind::kInteger, digits_in_base(prefix == 'x' ? 16 : 2)};
  } else {
    result = decimal_number();
  }
  if (result.kind == Number::Kind::kInteger && *here_ == 'U') ++here_;
  if (is_word_character(*here_)) {
    fail(fmt::format("a number must not run into {}", describe_next()));
  }
  return result;
}

std::string_view Cursor::decimal_text(std::string_view what) {
  skip_blanks();
  const char* start = here_;
  while (is_digit(*here_) || *here_ == '.') ++here_;
  if (here_ == start) fail(fmt::format("{} must be a number, not {}", what, describe_next()));
  return {start, static_cast<size_t>(here_ - start)};
}

uint32_t Cursor::unsigned_integer(std::string_view what) {
  const Number value = number();
  if (value.kind != Number::Kind::kInteger || value.bits > UINT32_MAX) {
    fail(fmt::format("{} must be an integer below 2^32", what));
  }
  return static_cast<uint32_t>(value.bits);
}

std::string_view Cursor::quoted_string() {
  expect('"', "a string");
  const char* start = here_;
  while (here_ < end_ && *here_ != '"' && *here_ != '\n') {
    ++here_;
  }
  if (here_ == end_ || *here_ != '"') {
    fail("a string must end on its own line");
  }
  ++here_;
  return {start, static_cast<size_t>(here_ - 1 - start)};
}

void Cursor::skip_past(char stop, std::string_view what) {
  const uint32_t start_line = line_;
  while (here_ < end_ && *here_ != stop) {
    line_ += *here_ == '\n' ? 1 : 0;
    ++here_;
  }
  if (here_ == end_) {
    fail(fmt::format("{} that starts in line {} must end with '{}'", what, start_line, stop));
  }
  ++here_;
}

}  // namespace slipstream::ptx
