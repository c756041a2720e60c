#include "core/build_info.h"

#include "build_commit.h"

namespace photon {

BuildInfo build_info() {
  BuildInfo info{.version = PHOTON_VERSION,
                 .commit = PHOTON_COMMIT,
                 .dirty = PHOTON_DIRTY != 0,
                 .build_type = PHOTON_BUILD_TYPE};
  info.native = PHOTON_NATIVE_BUILD;
#ifdef __OPTIMIZE__
  info.optimised = true;
#endif
#ifdef __SANITIZE_ADDRESS__
  info.sanitizers = "address, undefined";
#endif
  return info;
}

}  // namespace photon
