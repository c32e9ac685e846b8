__device__ void f() { asm volatile("griddepcontrol.wait;" ::: "memory"); asm volatile("griddepcontrol.wait;"); } // slipstream-check: allow R1: x
