// SPDX-License-Identifier: Apache-2.0
// The cases of each op: small ones of every shape that its kernels tell apart, and large ones of the paper's
// models.
#pragma once

#include <vector>

#include "tests/cuda_impl/cases/op_case.h"

namespace photon::PHOTON_GPU {

void add_adamw_cases(std::vector<NamedCase>& cases);
void add_add_rows_cases(std::vector<NamedCase>& cases);
void add_advance_cases(std::vector<NamedCase>& cases);
void add_column_sums_cases(std::vector<NamedCase>& cases);
void add_conditioning_backward_cases(std::vector<NamedCase>& cases);
void add_copy_rows_cases(std::vector<NamedCase>& cases);
void add_cross_entropy_cases(std::vector<NamedCase>& cases);
void add_decode_attention_cases(std::vector<NamedCase>& cases);
void add_distance_cases(std::vector<NamedCase>& cases);
void add_embed_backward_cases(std::vector<NamedCase>& cases);
void add_embed_cases(std::vector<NamedCase>& cases);
void add_gemv_cases(std::vector<NamedCase>& cases);
void add_latents_cases(std::vector<NamedCase>& cases);
void add_local_attention_backward_cases(std::vector<NamedCase>& cases);
void add_local_attention_cases(std::vector<NamedCase>& cases);
void add_matmul_cases(std::vector<NamedCase>& cases);
void add_sample_greedy_cases(std::vector<NamedCase>& cases);
void add_sample_random_cases(std::vector<NamedCase>& cases);
void add_prefill_attention_backward_cases(std::vector<NamedCase>& cases);
void add_prefill_attention_cases(std::vector<NamedCase>& cases);
void add_product_gradient_cases(std::vector<NamedCase>& cases);
void add_rms_norm_backward_cases(std::vector<NamedCase>& cases);
void add_rms_norm_cases(std::vector<NamedCase>& cases);
void add_rotate_append_cases(std::vector<NamedCase>& cases);
void add_squared_norm_cases(std::vector<NamedCase>& cases);
void add_sum_cases(std::vector<NamedCase>& cases);
void add_swiglu_backward_cases(std::vector<NamedCase>& cases);
void add_rotate_back_cases(std::vector<NamedCase>& cases);
void add_swiglu_cases(std::vector<NamedCase>& cases);

}  // namespace photon::PHOTON_GPU
