#include "reference/backend.h"

namespace photon::reference {

void add_backend(BackendRegistry&) {}

}  // namespace photon::reference
