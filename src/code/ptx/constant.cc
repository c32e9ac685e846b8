#include "code/ptx/constant.h"

#include <fmt/format.h>

#include <array>

namespace slipstream::ptx {
namespace {

constexpr uint32_t kDeepestNesting = 64;

enum class Operation : uint8_t {
  kLogicalOr,
  kLogicalAnd,
  kOr,
  kXor,
  kAnd,
  kEqual,
  kNotEqual,
  kLessEqual,
  kGreaterEqual,
  kShiftLeft,
  kShiftRight,
  kLess,
  kGreater,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kRemainder,
};

struct BinaryOperator {
  std::string_view text;
  int precedence;
  Operation operation;
};

// Longer spellings first, so that "<<" is not taken for "<".
constexpr std::array<BinaryOperator, 18> kBinaryOperators{{
    {"||", 1, Operation::kLogicalOr},
    {"&&", 2, Operation::kLogicalAnd},
    {"==", 6, Operation::kEqual},
    {"!=", 6, Operation::kNotEqual},
    {"<=", 7, Operation::kLessEqual},
    {">=", 7, Operation::kGreaterEqual},
    {"<<", 8, Operation::kShiftLeft},
    {">>", 8, Operation::kShiftRight},
    {"|", 3, Operation::kOr},
    {"^", 4, Operation::kXor},
    {"&", 5, Operation::kAnd},
    {"<", 7, Operation::kLess},
    {">", 7, Operation::kGreater},
    {"+", 9, Operation::kAdd},
    {"-", 9, Operation::kSubtract},
    {"*", 10, Operation::kMultiply},
    {"/", 10, Operation::kDivide},
    {"%", 10, Operation::kRemainder},
}};

class ConstantParser {
 public:
  explicit ConstantParser(Cursor& cursor) : cursor_(cursor) {}

  Number conditional() {
    const Number condition = binary(1);
    if (!cursor_.accept('?')) return condition;
    const Number if_true = conditional();
    cursor_.expect(':', "a conditional constant");
    const Number if_false = conditional();
    return integer(condition) != 0 ? if_true : if_false;
  }

  Number unary() {
    enter();
    Number result;
    switch (cursor_.peek()) {
      case '+':
        cursor_.accept('+');
        result = unary();
        break;
      case '-':
        cursor_.accept('-');
        result = negate(unary());
        break;
      case '~':
        cursor_.accept('~');
        result.bits = ~integer(unary());
        break;
      case '!':
        cursor_.accept('!');
        result.bits = integer(unary()) == 0 ? 1 : 0;
        break;
      case '(':
        result = parenthesized();
        break;
      default:
        result = primary();
    }
    --depth_;
    return result;
  }

 private:
  void enter() {
    if (++depth_ > kDeepestNesting) {
      cursor_.fail(
          fmt::format("a constant expression must not nest deeper than {}", kDeepestNesting));
    }
  }

  [[nodiscard]] uint64_t integer(const Number& number) const {
    if (number.kind != Number::Kind::kInteger) {
      cursor_.fail("an operator's operand must be an integer, not a floating-point constant");
    }
    return number.bits;
  }

  static Number negate(Number number) {
    switch (number.kind) {
      case Number::Kind::kInteger:
        number.bits = 0 - number.bits;
        break;
      case Number::Kind::kFloat32:
        number.bits ^= uint64_t{1} << 31;
        break;
      case Number::Kind::kFloat64:
        number.bits ^= uint64_t{1} << 63;
        break;
    }
    return number;
  }

  // "(expression)", or a cast "(.u64) operand", which changes nothing at 64 bits.
  Number parenthesized() {
    cursor_.expect('(', "a constant");
    if (cursor_.peek() == '.') {
      const std::string_view type = cursor_.directive();
      if (type != "s64" && type != "u64") {
        cursor_.fail(fmt::format("a cast must be to .s64 or .u64, not .{}", type));
      }
      cursor_.expect(')', "a cast");
      return unary();
    }
    const Number result = conditional();
    cursor_.expect(')', "a constant in parentheses");
    return result;
  }

  Number primary() {
    const std::string_view word = cursor_.word();
    if (word.empty()) return cursor_.number();
    if (word != "WARP_SZ") {
      cursor_.fail(fmt::format("a constant must be a number or WARP_SZ, not {}", word));
    }
    return {Number::Kind::kInteger, 32};
  }

  Number binary(int lowest_precedence) {
    enter();
    Number left = unary();
    for (const BinaryOperator* op = accept_operator(lowest_precedence); op != nullptr;
         op = accept_operator(lowest_precedence)) {
      const Number right = binary(op->precedence + 1);
      left.bits = apply(op->operation, integer(left), integer(right));
    }
    --depth_;
    return left;
  }

  const BinaryOperator* accept_operator(int lowest_precedence) {
    cursor_.peek();
    for (const BinaryOperator& op : kBinaryOperators) {
      const bool matches = cursor_.peek_adjacent(0) == op.text[0] &&
                           (op.text.size() == 1 || cursor_.peek_adjacent(1) == op.text[1]);
      if (matches) {
        if (op.precedence < lowest_precedence) return nullptr;
        for (const char c : op.text) cursor_.accept_adjacent(c);
        return &op;
      }
    }
    return nullptr;
  }

  [[nodiscard]] uint64_t apply(Operation operation, uint64_t left, uint64_t right) const {
    const auto signed_left = static_cast<int64_t>(left);
    const auto signed_right = static_cast<int64_t>(right);
    switch (operation) {
      case Operation::kLogicalOr:
        return left != 0 || right != 0;
      case Operation::kLogicalAnd:
        return left != 0 && right != 0;
      case Operation::kOr:
        return left | right;
      case Operation::kXor:
        return left ^ right;
      case Operation::kAnd:
        return left & right;
      case Operation::kEqual:
        return left == right;
      case Operation::kNotEqual:
        return left != right;
      case Operation::kLessEqual:
        return signed_left <= signed_right;
      case Operation::kGreaterEqual:
        return signed_left >= signed_right;
      case Operation::kLess:
        return signed_left < signed_right;
      case Operation::kGreater:
        return signed_left > signed_right;
      case Operation::kShiftLeft:
        return right < 64 ? left << right : 0;
      case Operation::kShiftRight:
        return right < 64 ? left >> right : 0;
      case Operation::kAdd:
        return left + right;
      case Operation::kSubtract:
        return left - right;
      case Operation::kMultiply:
        return left * right;
      case Operation::kDivide:
      case Operation::kRemainder:
        return divide(operation, signed_left, signed_right);
    }
    return 0;
  }

  [[nodiscard]] uint64_t divide(Operation operation, int64_t left, int64_t right) const {
    if (right == 0) cursor_.fail("a constant expression must not divide by zero");
    if (right == -1) {  // the one quotient that may not fit
      return operation == Operation::kDivide ? 0 - static_cast<uint64_t>(left) : 0;
    }
    return static_cast<uint64_t>(operation == Operation::kDivide ? left / right : left % right);
  }

  Cursor& cursor_;
  uint32_t depth_ = 0;
};

}  // namespace

Number parse_constant(Cursor& cursor) { return ConstantParser(cursor).conditional(); }

Number parse_operand_constant(Cursor& cursor) {
  const char first = cursor.peek();
  if (first >= '0' && first <= '9') return cursor.number();
  return ConstantParser(cursor).unary();
}

int64_t parse_integer_constant(Cursor& cursor, std::string_view what) {
  const Number result = parse_constant(cursor);
  if (result.kind != Number::Kind::kInteger) {
    cursor.fail(fmt::format("{} must be an integer", what));
  }
  return static_cast<int64_t>(result.bits);
}

}  // namespace slipstream::ptx
