// SPDX-License-Identifier: Apache-2.0
#include "trainer/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/base/atomic_file.h"
#include "core/base/error.h"
#include "core/base/folder_lock.h"
#include "core/base/interrupt.h"
#include "core/base/progress.h"
#include "core/model/model_config.h"
#include "core/model/parameters.h"
#include "trainer/batches.h"
#include "trainer/budget.h"
#include "trainer/memory.h"
#include "trainer/metrics.h"
#include "trainer/run_model.h"
#include "trainer/run_state.h"
#include "trainer/schedule.h"

namespace photon::trainer {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

bool finite(const Losses& l) {
  return std::isfinite(l.token) && std::isfinite(l.rec) && std::isfinite(l.context);
}

void add(Losses& sum, const Losses& part, double weight) {
  sum.token += weight * part.token;
  sum.rec += weight * part.rec;
  sum.context += weight * part.context;
}

class Run {
 public:
  Run(const TrainConfig& config, Backend& backend, bool resume)
      : source_(run_model(config)),
        spec_(source_.spec),
        config_(with_planned_memory(config, spec_, backend)),
        length_(length_of(config, spec_)),
        batches_(config_, spec_),
        lock_(config.out),
        schedule_(schedule_for(length_.steps)) {
    require_space();
    state_.steps = length_.steps;
    state_.identity = identity();
    start(backend, resume);
    config_.extend = false;  // what was asked for once is done
    write_file_atomically(config_.out / "train.toml", to_toml(config_));
    if (config.mfu && !state_.finished()) {
      matrix_rate_ = backend.measure_ceilings(backend.own_dtype()).matrix_rate;
    }
  }

  TrainResult train() {
    const InterruptGuard interrupt;
    MetricsFile metrics(config_.out / "metrics.csv", state_.step, spec_.depth());
    describe(metrics.kept());
    Progress progress("train", state_.steps, "steps", state_.step);
    auto saved = Clock::now();
    while (!state_.finished()) {
      MetricsRow row = make_step(progress);
      if (validation_due()) row.validation = validate();
      metrics.append(row);
      progress.update(state_.step, note(row));

      const bool stop = interrupt.requested();
      const bool by_steps = config_.checkpoint_every > 0 && state_.step % config_.checkpoint_every == 0;
      const bool by_time =
          config_.checkpoint_minutes > 0.0 && seconds_since(saved) > 60.0 * config_.checkpoint_minutes;
      if (stop || by_steps || by_time || state_.finished()) {
        save();
        saved = Clock::now();
      }
      if (stop) break;
    }
    progress.finish();
    return {.checkpoint = checkpoint(),
            .step = state_.step,
            .steps = state_.steps,
            .tokens = state_.tokens,
            .flops = state_.flops,
            .validation = validation_,
            .finished = state_.finished()};
  }

 private:
  static RunLength length_of(const TrainConfig& config, const ModelSpec& spec) {
    if (config.match == Match::none) return run_length(config, spec, nullptr);
    const ModelSpec matched = matched_spec(config);
    return run_length(config, spec, &matched);
  }

  /// The corpus folder's, which belongs to every model trained on it.
  fs::path tokenizer() const {
    const fs::path file = config_.data / "tokenizer.model";
    return fs::exists(file) ? file : fs::path();
  }

  fs::path checkpoint() const { return config_.out / "checkpoint"; }

  std::map<std::string, std::string> identity() const {
    const auto& c = config_;
    return {{"seed", fmt::to_string(c.seed)},
            {"data", batches_.identity()},
            {"batch", fmt::to_string(c.batch)},
            {"micro_batch", fmt::to_string(c.micro_batch)},
            {"context", fmt::to_string(c.context)},
            {"learning_rate", fmt::to_string(c.learning_rate)},
            {"warmup", fmt::to_string(c.warmup)},
            {"schedule", std::string(to_string(c.schedule))},
            {"final_fraction", fmt::to_string(c.schedule == RateShape::constant ? 1.0 : c.final_fraction)},
            {"adam_beta1", fmt::to_string(c.adam_beta1)},
            {"adam_beta2", fmt::to_string(c.adam_beta2)},
            {"adam_epsilon", fmt::to_string(c.adam_epsilon)},
            {"weight_decay", fmt::to_string(c.weight_decay)},
            {"steps", fmt::to_string(length_.steps)},
            {"match", std::string(to_string(c.match))},
            {"alpha", fmt::to_string(c.loss.alpha)},
            {"beta", fmt::to_string(c.loss.beta)},
            {"distance", c.loss.distance == Distance::cosine ? "cosine" : "squared"},
            {"detach", c.loss.detach_targets ? "true" : "false"},
            {"clip", fmt::to_string(c.clip)},
            {"validation_every", fmt::to_string(c.validation_every)},
            {"validation_batches", fmt::to_string(c.validation_batches)}};
  }

  /// Keys that runs of earlier versions do not name had the values that are now their defaults.
  static std::string began_with(const RunState& saved, const std::string& key) {
    if (const auto found = saved.identity.find(key); found != saved.identity.end()) return found->second;
    static const std::map<std::string, std::string> once{{"schedule", "cosine"},    {"final_fraction", "0.1"},
                                                         {"adam_beta1", "0.9"},     {"adam_beta2", "0.95"},
                                                         {"adam_epsilon", "1e-08"}, {"weight_decay", "0.1"}};
    const auto found = once.find(key);
    return found == once.end() ? "(unset)" : found->second;
  }

  void start(Backend& backend, bool resume) {
    if (!fs::exists(checkpoint())) {
      const auto parameters = first_parameters(source_, config_.seed);
      model_ = backend.trainable(spec_, parameters, config_.recompute);
      return;
    }
    if (!resume) {
      throw Error(fmt::format("{}: holds a run already; --resume resumes it, another --out starts a new one",
                              checkpoint().string()));
    }
    TrainingCheckpoint saved = load_run(checkpoint());
    if (!(saved.model.spec == spec_)) {
      throw Error(fmt::format("{}: was trained with another model spec than {}", checkpoint().string(),
                              config_.model.string()));
    }
    require_replaceable_checkpoint(checkpoint());
    const int64_t steps_before = saved.state.steps;
    const bool longer = config_.extend && state_.steps > steps_before;
    if (longer) extend(saved);
    require_identity(saved.state);
    state_ = saved.state;
    if (longer) describe_extension(steps_before);
    model_ = backend.trainable(spec_, saved.model.parameters, config_.recompute);
    if (!saved.first.empty()) model_->write_moments(saved.first, saved.second);
    if (longer) save();  // at once: what stands beside train.toml must agree with it
  }

  void require_identity(const RunState& saved) const {
    for (const auto& [key, value] : state_.identity) {
      const std::string was = began_with(saved, key);
      if (was == value) continue;
      const bool could_extend = key == "steps" && state_.steps > saved.steps;
      throw Error(fmt::format(
          "{}: began with {} = {}, the config now gives {}; a run resumes only as it began{}",
          checkpoint().string(), key, was, value,
          could_extend
              ? ", unless --set extend=true makes it longer (docs/training.md: what its rate does then)"
              : ""));
    }
  }

  /// From here on the schedule is that of the new length; weights, moments and data order go on.
  void extend(TrainingCheckpoint& saved) const {
    RunState& s = saved.state;
    if (saved.first.empty()) {
      throw Error(
          fmt::format("{}: no optimizer.safetensors in it, so the run cannot be made longer; a new run "
                      "can start from its weights: --set model={} --out DIR",
                      checkpoint().string(), checkpoint().string()));
    }
    std::string& history = s.identity["extended"];
    history += fmt::format("{}after step {} from {} steps", history.empty() ? "" : ", ", s.step, s.steps);
    s.steps = state_.steps;
    s.identity["steps"] = state_.identity.at("steps");
  }

  void describe_extension(int64_t steps_before) const {
    fmt::print(stderr,
               "{}: longer from here on, {} steps where it had {}: the learning rate continues with {:.3g} "
               "after {:.3g}\n",
               checkpoint().string(), state_.steps, steps_before, schedule_.rate(state_.step + 1),
               schedule_for(steps_before).rate(state_.step));
  }

  RateSchedule schedule_for(int64_t steps) const {
    return {.peak = config_.learning_rate,
            .warmup = config_.warmup,
            .steps = steps,
            .shape = config_.schedule,
            .final_fraction = config_.final_fraction};
  }

  /// A checkpoint is written beside the one before it.
  void require_space() const {
    const auto needed = static_cast<uintmax_t>(parameter_elements(spec_)) * 3 * sizeof(float);
    std::error_code unknown;
    const fs::space_info disk = fs::space(config_.out, unknown);
    if (unknown || disk.available >= needed) return;
    throw Error(fmt::format("{}: a checkpoint takes {:.2f} GiB, {:.2f} are free", config_.out.string(),
                            static_cast<double>(needed) / 0x1p30,
                            static_cast<double>(disk.available) / 0x1p30));
  }

  void describe(int64_t metric_rows) const {
    fmt::print(stderr,
               "{}: {} parameters, seed {}, {} steps of {} tokens: {} tokens, {:.3g} training FLOPs\n",
               spec_.name, parameters_total(spec_), config_.seed, state_.steps, length_.tokens_per_step,
               length_.tokens(state_.steps), length_.flops(state_.steps));
    if (!source_.checkpoint.empty() && state_.step == 0) {
      fmt::print(stderr, "starts with the weights of {} and an optimizer of its own\n",
                 source_.checkpoint.string());
    }
    if (state_.step > 0) fmt::print(stderr, "going on after step {}\n", state_.step);
    if (metric_rows < state_.step) {
      fmt::print(stderr, "warning: {} of the {} rows before are missing in metrics.csv\n",
                 state_.step - metric_rows, state_.step);
    }
  }

  TokenBatch read_batch(int64_t step, int64_t first) const {
    return batches_.training(step, first, config_.micro_batch);
  }

  /// Reads the batch that comes next while the model is at this one, so that a device never waits for a disk.
  void read_ahead(int64_t step, int64_t first) {
    next_ = std::async(std::launch::async, [this, step, first] {
      TokenBatch batch = read_batch(step, first);
      model_->prefetch(batch);
      return batch;
    });
  }

  MetricsRow make_step(Progress& progress) {
    const auto begin = Clock::now();
    const int64_t step = state_.step + 1;
    MetricsRow row;
    row.step = step;
    const double weight = static_cast<double>(config_.micro_batch) / static_cast<double>(config_.batch);
    for (int64_t first = 0; first < config_.batch; first += config_.micro_batch) {
      const TokenBatch batch = next_.valid() ? next_.get() : read_batch(step, first);
      const bool last = first + config_.micro_batch == config_.batch;
      if (!last || step < state_.steps)
        read_ahead(last ? step + 1 : step, last ? 0 : first + config_.micro_batch);
      add(row.train, model_->accumulate_gradients(batch, config_.loss, weight), weight);
    }
    row.gradient_norm = model_->gradient_norm();
    if (!finite(row.train) || !std::isfinite(row.gradient_norm)) {
      throw Diverged(
          fmt::format("step {}: token loss {}, rec {}, ctx {}, gradient norm {}: not finite. The last "
                      "checkpoint is kept as it "
                      "is; the same config leads here again: lower learning_rate, lengthen warmup or change "
                      "seed, with a new out",
                      step, row.train.token, row.train.rec, row.train.context, row.gradient_norm));
    }
    row.learning_rate = schedule_.rate(step);
    const bool clip = config_.clip > 0.0 && row.gradient_norm > config_.clip;
    model_->adamw_step({.step = step,
                        .learning_rate = row.learning_rate,
                        .beta1 = config_.adam_beta1,
                        .beta2 = config_.adam_beta2,
                        .epsilon = config_.adam_epsilon,
                        .weight_decay = config_.weight_decay,
                        .gradient_scale = clip ? config_.clip / row.gradient_norm : 1.0});
    row.seconds = seconds_since(begin);

    state_.step = step;
    state_.tokens = row.tokens = length_.tokens(step);
    state_.flops = row.flops = length_.flops(step);
    row.tokens_per_second = static_cast<double>(length_.tokens_per_step) / row.seconds;
    if (matrix_rate_ > 0.0) row.mfu = length_.flops_per_step / row.seconds / matrix_rate_;
    if (const double z = state_.spike.observe(row.train.token); z > 0.0) {
      progress.message(
          fmt::format("warning: step {}: token loss {:.4f} is {:.1f} standard deviations above its "
                      "running mean",
                      step, row.train.token, z));
    }
    return row;
  }

  bool validation_due() const {
    if (batches_.validation_rows() == 0) return false;
    return state_.finished() || (config_.validation_every > 0 && state_.step % config_.validation_every == 0);
  }

  Losses validate() {
    Losses sum;
    const int64_t all = batches_.validation_rows();
    for (int64_t first = 0; first < all; first += config_.micro_batch) {
      const int64_t rows = std::min(config_.micro_batch, all - first);
      add(sum, model_->evaluate(batches_.validation(first, rows), config_.loss),
          static_cast<double>(rows) / static_cast<double>(all));
    }
    if (!finite(sum)) {
      throw Diverged(
          fmt::format("step {}: validation loss {}, rec {}, ctx {}: not finite. The last checkpoint is kept",
                      state_.step, sum.token, sum.rec, sum.context));
    }
    validation_ = sum;
    return sum;
  }

  std::string note(const MetricsRow& row) const {
    std::string text = fmt::format("loss {:.4f}, {:.0f} tok/s", row.train.token, row.tokens_per_second);
    if (validation_) text += fmt::format(", validation {:.4f}", validation_->token);
    return text;
  }

  void save() {
    TrainingCheckpoint c{
        .model = {.spec = spec_, .parameters = {}}, .state = state_, .first = {}, .second = {}};
    const auto size = static_cast<size_t>(parameter_elements(spec_));
    c.model.parameters.resize(size);
    model_->read_parameters(c.model.parameters);
    c.first.resize(size);
    c.second.resize(size);
    model_->read_moments(c.first, c.second);
    save_run(checkpoint(), c, tokenizer());
  }

  RunModel source_;
  ModelSpec spec_;
  TrainConfig config_;
  RunLength length_;
  Batches batches_;
  FolderLock lock_;  // after what can be refused: it makes the folder
  RateSchedule schedule_;
  RunState state_;
  std::unique_ptr<TrainableModel> model_;
  double matrix_rate_ = 0.0;
  std::optional<Losses> validation_;
  std::future<TokenBatch> next_;  // after what it works with: it ends first
};

}  // namespace

TrainResult train(const TrainConfig& config, Backend& backend, bool resume) {
  return Run(config, backend, resume).train();
}

}  // namespace photon::trainer
