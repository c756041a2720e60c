// Cases of the attention kernels: small ones of every shape that the kernels tell apart, and large ones of
// the paper's models.
#pragma once

#include <vector>

#include "cuda_impl/cases/op_case.h"

namespace photon::PHOTON_GPU {

void add_local_attention_cases(std::vector<NamedCase>& cases);
void add_decode_attention_cases(std::vector<NamedCase>& cases);
void add_prefill_attention_cases(std::vector<NamedCase>& cases);

}  // namespace photon::PHOTON_GPU
