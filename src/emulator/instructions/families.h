// The families of instructions, each in a file of its own. A new file is declared here, and added to
// all_families() in families.cc.
#pragma once

#include "emulator/decoder/table.h"

namespace slipstream::emulator {

Family integer_family();       // integer.cc
Family bit_family();           // integer_bits.cc
Family byte_family();          // integer_bytes.cc
Family carry_family();         // integer_carry.cc
Family logic_family();         // logic.cc
Family compare_family();       // compare.cc: setp
Family set_family();           // set.cc
Family select_family();        // select.cc
Family float_family();         // float.cc
Family approximate_family();   // approximate.cc
Family half_family();          // half_arithmetic.cc
Family move_family();          // move.cc
Family convert_family();       // convert_scalar.cc: integers, f32, f64
Family memory_family();        // memory.cc
Family atomic_family();        // atomic.cc
Family control_family();       // control.cc
Family collective_family();    // collective.cc
Family barrier_family();       // barrier.cc
Family cluster_family();       // cluster.cc
Family convert_half_family();  // convert_half.cc: f16, bf16, tf32, fp8
Family matrix_family();        // matrix.cc: ldmatrix and its kind
Family async_copy_family();    // async_copy.cc: cp.async, st.async
Family bulk_copy_family();     // bulk_copy.cc
Family tensor_copy_family();   // tensor_copy.cc
Family tensor_map_family();    // tensor_map_edit.cc
Family mbarrier_family();      // mbarrier.cc
Family mma_family();           // mma.cc
Family wgmma_family();         // wgmma.cc
Family quad_pair_family();     // quad_pair_mma.cc: mma.sync.m8n8k4 of f16
Family texture_family();       // texture.cc
Family wmma_family();          // wmma.cc
Family wmma_memory_family();   // wmma_memory.cc

}  // namespace slipstream::emulator
