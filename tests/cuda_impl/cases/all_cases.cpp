// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda_impl/cases/add_cases.h"

namespace photon::PHOTON_GPU {

std::vector<NamedCase> op_cases() {
  std::vector<NamedCase> cases;
  add_embed_cases(cases);
  add_embed_backward_cases(cases);
  add_rms_norm_cases(cases);
  add_rms_norm_backward_cases(cases);
  add_swiglu_cases(cases);
  add_swiglu_backward_cases(cases);
  add_rotate_append_cases(cases);
  add_rotate_back_cases(cases);
  add_gemv_cases(cases);
  add_matmul_cases(cases);
  add_product_gradient_cases(cases);
  add_local_attention_cases(cases);
  add_local_attention_backward_cases(cases);
  add_decode_attention_cases(cases);
  add_prefill_attention_cases(cases);
  add_prefill_attention_backward_cases(cases);
  add_copy_rows_cases(cases);
  add_add_rows_cases(cases);
  add_latents_cases(cases);
  add_conditioning_backward_cases(cases);
  add_column_sums_cases(cases);
  add_sample_greedy_cases(cases);
  add_sample_random_cases(cases);
  add_cross_entropy_cases(cases);
  add_distance_cases(cases);
  add_sum_cases(cases);
  add_squared_norm_cases(cases);
  add_adamw_cases(cases);
  add_advance_cases(cases);
  return cases;
}

}  // namespace photon::PHOTON_GPU
