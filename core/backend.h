// The two interfaces every back end implements: a model that can be trained and a model that can be run.
// Trainer, benchmark and command line know a back end by its name in the registry and never include its code.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/cost.h"
#include "core/generation.h"
#include "core/kernel.h"
#include "core/model_spec.h"

namespace photon {

/// (rows, length) token ids, row major.
struct TokenBatch {
  int64_t rows = 0;
  int64_t length = 0;
  std::vector<int32_t> ids;

  std::span<const int32_t> row(int64_t b) const {
    return {ids.data() + b * length, static_cast<size_t>(length)};
  }
};

enum class Distance { cosine, squared };

/// L = token + alpha · rec + beta · context (design, section 2).
struct LossConfig {
  double alpha = 0.0;
  double beta = 0.0;
  Distance distance = Distance::cosine;
  bool detach_targets = true;  ///< no gradient through the encoder states that L_rec and L_context aim at
  auto operator<=>(const LossConfig&) const = default;
};

struct Losses {
  double token = 0.0;    ///< cross-entropy in nats, mean over tokens 2..T of each row
  double rec = 0.0;      ///< unweighted; 0 if L < 2
  double context = 0.0;  ///< unweighted; 0 if L < 1
  double total(const LossConfig& c) const { return token + c.alpha * rec + c.beta * context; }
};

/// One AdamW update (Loshchilov & Hutter 2019) with bias correction; `step` counts from 1.
struct AdamWStep {
  int64_t step = 1;
  double learning_rate = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;    ///< on parameters whose ParameterInfo says `decay`
  double gradient_scale = 1.0;  ///< multiplies every gradient first: clipping
};

/// What a training step computes again in backward instead of keeping it from forward, to fit in memory.
enum class Recompute {
  none,
  inner,  ///< of a layer its norms and its feed-forward network; queries, keys, values and results are kept
  layer,  ///< all but the input of a layer
};

std::string_view to_string(Recompute recompute);
Recompute parse_recompute(std::string_view name);  ///< throws UsageError with the names there are

/// One op that a run started on a device, as a profiler finds it: in the NVTX ranges of `scope`, then of
/// `op`.
struct Launch {
  std::string scope;  ///< "photon-600m de/decode/meta-context/encoder 2"
  std::string op;
  std::string file;  ///< of its launcher, from the root
  Work work;
};

/// A model in training. Flat arrays follow parameter_list(spec()); on the host they are float32.
class TrainableModel {
 public:
  virtual ~TrainableModel() = default;
  virtual const ModelSpec& spec() const = 0;

  /// Adds weight · dL/dparameter of this batch to the gradients. `batch.length` must divide by the
  /// meta-context.
  virtual Losses accumulate_gradients(const TokenBatch& batch, const LossConfig& config, double weight) = 0;
  /// Says which batch accumulate_gradients will be given next, so that what it needs of the host is ready by
  /// then. May be called from another thread while the model works, by one at a time.
  virtual void prefetch(const TokenBatch&) {}
  /// The same losses without gradients.
  virtual Losses evaluate(const TokenBatch& batch, const LossConfig& config) = 0;
  /// Euclidean norm over the gradients of all trained parameters, summed in double in a fixed order.
  virtual double gradient_norm() = 0;
  /// Updates the trained parameters and their moments, then clears the gradients.
  virtual void adamw_step(const AdamWStep& step) = 0;
  /// Returns once all that was asked for is done: a device may still be at it when the others return.
  virtual void wait() {}
  /// One step (gradients of this batch, their norm, `step`) between profiler start and stop, launch by launch
  /// where a step replays graphs, after checking that the kernels are the graphs' own; everything in a range
  /// named `label`, which holds neither '/' nor ':'. Throws Error if they are not, and on a device without
  /// kernels.
  virtual std::vector<Launch> profile(const TokenBatch& batch, const LossConfig& config,
                                      const AdamWStep& step, const std::string& label);

  virtual void read_parameters(std::span<float> out) const = 0;
  virtual void write_parameters(std::span<const float> in) = 0;
  virtual void read_moments(std::span<float> first, std::span<float> second) const = 0;
  virtual void write_moments(std::span<const float> first, std::span<const float> second) = 0;
};

enum class DType { float32, float64, bfloat16 };

std::string_view to_string(DType dtype);
DType parse_dtype(std::string_view name);  ///< throws UsageError with the names there are
int64_t element_bytes(DType dtype);

/// One named output of a forward pass, (B, rows, width) in row-major double.
struct Stream {
  std::string name;  ///< "logits", "x.l", "xhat.l"
  std::vector<int64_t> shape;
  std::vector<double> values;
};

/// Bytes that a request takes on the device, foreseen before any of them is.
struct MemoryPlan {
  int64_t weights = 0;
  int64_t caches = 0;        ///< growing KV caches, all rows
  int64_t local_caches = 0;  ///< of the local decoders, all rows
  int64_t workspace = 0;
  int64_t available = 0;  ///< that all of them together may take

  int64_t total() const { return weights + caches + local_caches + workspace; }
  bool fits() const { return total() <= available; }
};

/// Bytes that a training step takes on the device, foreseen before any of them is.
struct TrainingPlan {
  int64_t weights = 0;  ///< in every precision they are kept in
  int64_t gradients = 0;
  int64_t moments = 0;
  int64_t activations = 0;  ///< kept from forward for backward
  int64_t workspace = 0;
  int64_t available = 0;  ///< that all of them together may take

  int64_t total() const { return weights + gradients + moments + activations + workspace; }
  bool fits() const { return total() <= available; }
};

/// A model that is run.
class InferenceModel {
 public:
  virtual ~InferenceModel() = default;
  virtual const ModelSpec& spec() const = 0;
  /// Every stream of the teacher-forced forward pass. Throws Error unless the length divides by the
  /// meta-context.
  virtual std::vector<Stream> forward(const TokenBatch& batch) = 0;
  /// log p(token | earlier ones) in double, (rows, length); a vanilla model cannot predict the first token: 0
  /// there.
  virtual std::vector<double> token_log_probs(const TokenBatch& batch) = 0;
  virtual GenerationResult generate(const GenerationRequest& request) = 0;
  /// What generate(request) will hold; it throws Error where this does not fit.
  virtual MemoryPlan memory_plan(const GenerationRequest& request) const = 0;
  /// Generates between profiler start and stop, launch by launch where generate() replays graphs, after
  /// checking that the kernels are the graphs' own; everything in a range named `label`, which holds neither
  /// '/' nor ':'. Throws Error if they are not, and on a device without kernels.
  virtual std::vector<Launch> profile(const GenerationRequest& request, const std::string& label);
};

/// What the machine can do at most, measured on random data in this process.
struct Ceilings {
  double read_bandwidth = 0.0;   ///< bytes/s over memory
  double copy_bandwidth = 0.0;   ///< bytes/s over memory, read + written
  double bandwidth = 0.0;        ///< the larger of the two
  double matrix_rate = 0.0;      ///< FLOP/s of a large product in the model's dtype
  double cache_bandwidth = 0.0;  ///< bytes/s from the last-level cache; 0 where it cannot be told apart
  int64_t cache_bytes = 0;       ///< size of the last-level cache
  double launch_seconds = 0.0;   ///< one operation's launch; 0 on the CPU
  double spread = 0.0;           ///< largest (best - median) / best among them: how steady the machine was
};

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
