// SPDX-License-Identifier: Apache-2.0
// What numbers are computed and kept in.
#pragma once

#include <cstdint>
#include <string_view>

namespace photon {

enum class DType { float32, float64, bfloat16 };

std::string_view to_string(DType dtype);
DType parse_dtype(std::string_view name);  ///< throws UsageError with the names there are
int64_t element_bytes(DType dtype);

}  // namespace photon
