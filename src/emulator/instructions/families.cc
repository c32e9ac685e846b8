#include "emulator/instructions/families.h"

#include <array>

namespace slipstream::emulator {

std::span<const Family> all_families() {
  static const std::array kFamilies = {
      integer_family(),     bit_family(),         byte_family(),       carry_family(),
      logic_family(),       compare_family(),     set_family(),        select_family(),
      float_family(),       approximate_family(), half_family(),       move_family(),
      convert_family(),     memory_family(),      atomic_family(),     control_family(),
      collective_family(),  barrier_family(),     cluster_family(),    convert_half_family(),
      matrix_family(),      mma_family(),         quad_pair_family(),  wmma_family(),
      wmma_memory_family(), wgmma_family(),       mbarrier_family(),   async_copy_family(),
      bulk_copy_family(),   tensor_copy_family(), tensor_map_family(), texture_family(),
  };
  return kFamilies;
}

}  // namespace slipstream::emulator
