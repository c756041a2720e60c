// SPDX-License-Identifier: Apache-2.0
#include "reference/memory.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace photon::reference {

int64_t usable_memory_bytes() {
  int64_t bytes = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  for (const char* file : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    int64_t limit = 0;
    if (std::ifstream(file) >> limit && limit > 0) bytes = std::min(bytes, limit);  // "max" is no number
  }
  return bytes;
}

int64_t resident_bytes() {
  malloc_trim(0);
  int64_t pages_of_program = 0;
  int64_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> pages_of_program >> resident_pages;
  return resident_pages * sysconf(_SC_PAGESIZE);
}

}  // namespace photon::reference
