// SPDX-License-Identifier: Apache-2.0
#include "core/model/dtype.h"

#include <fmt/format.h>

#include "core/base/error.h"

namespace photon {

std::string_view to_string(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::bfloat16:
      return "bfloat16";
  }
  return "";
}

DType parse_dtype(std::string_view name) {
  for (const DType d : {DType::float32, DType::float64, DType::bfloat16}) {
    if (to_string(d) == name) return d;
  }
  throw UsageError(fmt::format("no dtype '{}'; there is: float32, float64, bfloat16", name));
}

int64_t element_bytes(DType dtype) {
  return dtype == DType::float64 ? 8 : dtype == DType::float32 ? 4 : 2;
}

}  // namespace photon
