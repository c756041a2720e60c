// SPDX-License-Identifier: Apache-2.0
#include "core/model/visibility.h"

#include <algorithm>

namespace photon {

int64_t Visibility::first(int64_t n) const {
  switch (window.kind) {
    case EncoderWindow::Kind::units:
      return std::max<int64_t>(0, n - window.units + 1);
    case EncoderWindow::Kind::block:
      return n / block * block;
    case EncoderWindow::Kind::unbounded:
      break;
  }
  return 0;
}

int64_t Visibility::first_kept(int64_t units) const {
  switch (window.kind) {
    case EncoderWindow::Kind::units:
      return std::max<int64_t>(0, units - window.units);
    case EncoderWindow::Kind::block:
      return units / block * block;  // the next meta-context sees nothing of those before it
    case EncoderWindow::Kind::unbounded:
      break;
  }
  return 0;
}

int64_t Visibility::held(int64_t units) const {
  switch (window.kind) {
    case EncoderWindow::Kind::units:
      return std::min(units, window.units);
    case EncoderWindow::Kind::block:
      return std::min(units, block);
    case EncoderWindow::Kind::unbounded:
      break;
  }
  return units;
}

}  // namespace photon
