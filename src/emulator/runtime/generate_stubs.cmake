# Writes OUTPUT: a weak definition of every function named in EXPORTS. A function that the runtime implements has a strong
# definition elsewhere, which wins; the others say at the first call that they are not supported. Per-thread variants are
# generate_per_thread.cmake's.
file(STRINGS ${EXPORTS} names REGEX "^[a-zA-Z_]")
list(FILTER names EXCLUDE REGEX "_pt(sz|ds)$")
set(text "// Generated from exports.txt.\n#include \"emulator/runtime/unsupported.h\"\n\n")
foreach(name IN LISTS names)
  string(APPEND text "extern \"C\" [[gnu::weak]] int ${name}() {\n"
                     "  return slipstream::emulator::runtime::answer_not_supported(\"${name}\");\n}\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
