# Writes OUTPUT: the per-thread variant, NAME_ptsz or NAME_ptds, of every function that EXPORTS names with such an ending. A
# function cannot be defined by another one's type alone, but an indirect one (ifunc) can: the loader binds its name to what
# the resolver returns, and no parameter list has to be repeated here.
file(STRINGS ${EXPORTS} names REGEX "_pt(sz|ds)$")
string(
  CONCAT text "// Generated from exports.txt.\n#include \"emulator/runtime/per_thread.h\"\n\n"
              "using slipstream::emulator::runtime::PerThread;\n\nextern \"C\" {\n")
foreach(name IN LISTS names)
  string(REGEX REPLACE "_pt(sz|ds)$" "" function "${name}")
  string(APPEND text "\nauto* resolve_${name}() { return &PerThread<&${function}>::call; }\n"
                     "[[gnu::ifunc(\"resolve_${name}\")]] decltype(${function}) ${name};\n")
endforeach()
string(APPEND text "\n}  // extern \"C\"\n")
file(WRITE ${OUTPUT} "${text}")
