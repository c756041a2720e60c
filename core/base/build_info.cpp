// SPDX-License-Identifier: Apache-2.0
#include "core/base/build_info.h"

#include "build_commit.h"

namespace photon {

BuildInfo build_info() {
  BuildInfo info;
  info.version = PHOTON_VERSION;
  info.commit = PHOTON_COMMIT;
  info.dirty = PHOTON_DIRTY != 0;
  info.build_type = PHOTON_BUILD_TYPE;
  info.native = PHOTON_NATIVE_BUILD != 0;
  info.cuda = PHOTON_CUDA_BUILD;
#ifdef __OPTIMIZE__
  info.optimised = true;
#endif
#ifdef __SANITIZE_ADDRESS__
  info.sanitizers = "address, undefined";
#endif
  return info;
}

}  // namespace photon
