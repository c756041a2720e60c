// SPDX-License-Identifier: Apache-2.0
// The device that models are trained and run on. Trainer, benchmark and command line know one by its name in
// the registry and never include its code.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/backend/inference_model.h"
#include "core/backend/trainable_model.h"
#include "core/cost/ceilings.h"
#include "core/cost/kernel.h"

namespace photon {

/// One kernel, ready to be run again and again by itself on random operands.
class TimedKernel {
 public:
  virtual ~TimedKernel() = default;
  /// Seconds that so many runs take one after another.
  virtual double seconds(int64_t runs) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string device_name() const = 0;  ///< "Intel(R) Xeon(R) ..., 2 threads"
  virtual int threads() const = 0;
  virtual int64_t memory_bytes() const = 0;  ///< that models and caches may use
  /// Bytes of it that this process holds now, after giving back what allocators keep for later. Coarse
  /// (pages) and slow (microseconds): for measuring memory, not for counting it.
  virtual int64_t memory_in_use() const = 0;
  virtual double clock_mhz() const { return 0.0; }  ///< of the compute units now; 0 where it cannot be told
  /// What keeps that clock below its highest right now, "power limit"; empty where nothing does or it cannot
  /// be told.
  virtual std::string held_back_by() const { return ""; }
  virtual std::string driver_version() const { return ""; }   ///< empty where there is none
  virtual DType own_dtype() const { return DType::float32; }  ///< what it computes in unless told otherwise
  /// Kernels started so far and where each is from, a line each; empty where there are none.
  virtual std::vector<std::string> kernels_run() const { return {}; }
  /// How a library multiplied for this process so far: its version, the shape, the algorithm of its choice
  /// and into how many parts that splits the sums, a line each; empty where no library chooses.
  virtual std::vector<std::string> products_made() const { return {}; }
  virtual Ceilings measure_ceilings(DType dtype) = 0;
  /// Its code for this kernel. Weights and caches are taken in turn from as many copies as come to
  /// `footprint` bytes (at least one): whether a run finds them in a cache is decided by it. Throws Error on
  /// a kernel that the device cannot run, and where it times none.
  virtual std::unique_ptr<TimedKernel> timed_kernel(const Kernel& kernel, DType dtype, int64_t footprint);
  /// What training on micro-batches of so many sequences of `length` tokens will hold; nothing where that
  /// cannot be foreseen.
  virtual std::optional<TrainingPlan> training_plan(const ModelSpec& spec, int64_t sequences, int64_t length,
                                                    const LossConfig& loss, Recompute recompute) const;
  /// What one optimizer step on this batch starts on the device, found without memory for it and without
  /// running anything. Throws Error on a device without kernels.
  virtual std::vector<Launch> training_launches(const ModelSpec& spec, const TokenBatch& batch,
                                                const LossConfig& loss, Recompute recompute) const;
  /// parameters: float32 in parameter_list order. Throws UsageError where the device does not recompute.
  virtual std::unique_ptr<TrainableModel> trainable(const ModelSpec& spec, std::span<const float> parameters,
                                                    Recompute recompute = Recompute::none) = 0;
  virtual std::unique_ptr<InferenceModel> inference(const ModelSpec& spec, std::span<const float> parameters,
                                                    DType dtype) = 0;
};

/// Back ends by name: "cpu", and "cuda" and "emulated" where built.
class BackendRegistry {
 public:
  using Factory = std::function<std::unique_ptr<Backend>()>;
  void add(const std::string& name, Factory factory);
  /// Throws UsageError listing what there is.
  std::unique_ptr<Backend> make(const std::string& name) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, Factory> factories_;
};

}  // namespace photon
