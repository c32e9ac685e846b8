# Writes OUTPUT: a weak definition of every function that the header CUDA_H declares. A function that the driver
# implements has a strong definition elsewhere, which wins; the others say at the first call that they are not supported.
file(READ ${CUDA_H} text)
# Declarations, and what declared names stand for: cuMemAlloc is cuMemAlloc_v2.
string(REGEX MATCHALL "CUDAAPI +cu[A-Z][A-Za-z0-9_]*" declared "${text}")
string(REGEX MATCHALL "#define cu[A-Z][A-Za-z0-9_]* +[(A-Z_a-z]*cu[A-Z][A-Za-z0-9_]*" versions "${text}")
set(names)
foreach(match IN LISTS declared versions)
  string(REGEX MATCH "cu[A-Z][A-Za-z0-9_]*$" name "${match}")
  list(APPEND names ${name})
endforeach()
list(REMOVE_DUPLICATES names)
list(SORT names)

set(stubs "// Generated from the declarations of the driver.\n#include \"emulator/driver/unsupported.h\"\n\n")
foreach(name IN LISTS names)
  string(APPEND stubs "extern \"C\" [[gnu::weak]] int ${name}() {\n"
                      "  return slipstream::emulator::driver::answer_not_supported(\"${name}\");\n}\n")
endforeach()
file(WRITE ${OUTPUT} "${stubs}")
