// SPDX-License-Identifier: Apache-2.0
// A Transformer stack over many rows at once, teacher-forced, with the activations that backward needs: F_l
// over the units of a level, or G_l over the windows of all chunks. Where a decoder feeds its own outputs
// back (readings `parallel`, `literal`, `hatted`) a window is made in parts, the first of R rows, each
// further one of a single row.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/backend/trainable_model.h"
#include "cuda_impl/device/arena.h"
#include "cuda_impl/kernels/attention_shape.h"
#include "cuda_impl/kernels/cache_view.h"
#include "cuda_impl/model/matmul.h"
#include "cuda_impl/model/weights.h"

namespace photon::PHOTON_GPU {

/// Of one layer and one part, `rows` rows in all.
struct LayerTape {
  bf16* input = nullptr;   ///< (rows, D)
  bf16* normed = nullptr;  ///< (rows, D)
  bf16* qkv = nullptr;   ///< (rows, D + 2 kv_width); over whole sequences q and k are rotated, in windows not
  float* lse = nullptr;  ///< (sequences, heads, units), of whole sequences
  bf16* attended = nullptr;    ///< (rows, D)
  bf16* middle = nullptr;      ///< (rows, D), after attention's residual
  bf16* ffn_normed = nullptr;  ///< (rows, D)
  bf16* gate_up = nullptr;     ///< (rows, 2 F)
  bf16* hidden = nullptr;      ///< (rows, F)
};

/// How rows attend: whole sequences of units, or windows of a chunk-local decoder.
struct TapeShape {
  StackShape stack;
  int64_t layers = 0;
  int64_t sequences = 0;       ///< or chunks
  std::vector<int64_t> parts;  ///< rows of a sequence in each part; one part: all of them
  bool windows = false;        ///< of a chunk-local decoder
  VisibleUnits visible = {};   ///< of whole sequences

  int64_t length() const;
  bool in_parts() const { return parts.size() > 1; }
};

class StackTape {
 public:
  struct Part {
    int64_t first = 0;  ///< position of its first row in the sequence
    int64_t rows = 0;   ///< of each sequence
    std::vector<LayerTape> layers;
    bf16* last = nullptr;  ///< (sequences · rows, D), before the final norm
  };

  /// What of a layer's tape is kept for it alone; the rest lies in memory that all layers share.
  enum class Keep { all, attention, input, nothing };
  static Keep keep(Recompute recompute);

  /// Activations that all layers of all stacks use in turn.
  class Shared {
   public:
    /// Before lay_out: that a stack of this shape will use it.
    void make_room(const TapeShape& shape, Keep keep);
    void lay_out(Arena& arena);

   private:
    friend class StackTape;
    LayerTape tape_;
    bf16* last_ = nullptr;
    std::array<int64_t, 9> elements_{};
    int64_t last_elements_ = 0;
  };

  StackTape() = default;
  StackTape(Arena& arena, const TapeShape& shape, Keep keep, const Shared& shared);

  const TapeShape& shape() const { return shape_; }
  Keep kept() const { return keep_; }
  const std::vector<Part>& parts() const { return parts_; }
  /// Rows of the first part's first layer: where the stack's input goes.
  bf16* input(size_t part = 0) const { return parts_[part].layers[0].input; }
  int64_t rows(size_t part) const { return shape_.sequences * parts_[part].rows; }
  /// Of a layer, in windows made in parts: (chunks, kv_heads, window, head_size), keys rotated.
  bf16* k(size_t layer) const { return k_.empty() ? nullptr : k_[layer]; }
  bf16* v(size_t layer) const { return v_.empty() ? nullptr : v_[layer]; }

 private:
  TapeShape shape_;
  Keep keep_ = Keep::nothing;
  std::vector<Part> parts_;
  std::vector<bf16*> k_;
  std::vector<bf16*> v_;
};

/// What layers run with.
struct LayerContext {
  Stream& stream;
  Matmul& matmul;
  float eps = 0.0f;
  const float* rotations = nullptr;  ///< of the stack's head size
};

/// Input of a part to its `last`, in parts' order.
void forward(const LayerContext& context, const StackWeights& w, const StackTape& tape, size_t part);
/// Puts back what forward computed for this layer and the tape did not keep.
void compute_again(const LayerContext& context, const StackWeights& w, const StackTape& tape, size_t part,
                   size_t layer);

}  // namespace photon::PHOTON_GPU
