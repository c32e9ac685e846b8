// Preloaded, it launches nothing: what remains of an operator's call is its host cost.
extern "C" int cudaLaunchKernelExC(const void* /*config*/, const void* /*function*/,
                                   void** /*arguments*/) {
  return 0;
}
