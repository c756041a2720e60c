// SPDX-License-Identifier: Apache-2.0
#include "app/simulate_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "app/command.h"
#include "core/base/error.h"
#include "core/base/progress.h"
#include "core/base/random.h"
#include "core/model/parameters.h"

namespace photon::app {
namespace {

using namespace analysis::simulation;

std::vector<int32_t> random_prompt(const ModelSpec& spec, const Request& r, uint64_t seed, uint64_t index) {
  const Philox random(seed);
  std::vector<int32_t> ids(static_cast<size_t>(r.prompt));
  for (size_t t = 0; t < ids.size(); ++t) {
    ids[t] = static_cast<int32_t>(random.uniform(index, t) * static_cast<double>(spec.vocab));
  }
  return ids;
}

/// Hands out measured steps, request by request: its prefill, its first burst, the times between bursts.
class MeasuredCosts final : public StepCosts {
 public:
  explicit MeasuredCosts(const ModelCosts& plans) : plans_(plans) {}

  void add(const Request& request, const GenerationResult& made) {
    const ServicePlan plan = plans_.plan(request);
    double first = made.ttft_seconds;
    if (plan.prompt_units > 0 && !plan.prefill_emits) {
      steps_.push_back(made.prefill_seconds);
      first -= made.prefill_seconds;
    }
    steps_.push_back(first);
    steps_.insert(steps_.end(), made.burst_seconds.begin(), made.burst_seconds.end());
    if (plan.silent_steps == 0) return;
    double rest = made.prefill_seconds + made.decode_seconds - made.ttft_seconds;
    for (const double seconds : made.burst_seconds) rest -= seconds;
    steps_.push_back(std::max(0.0, rest));
  }

  ServicePlan plan(const Request& request) const override {
    ServicePlan plan = plans_.plan(request);
    plan.held_bytes = plan.prefill_bytes = 1.0;  // of the one byte that the server has
    return plan;
  }
  double step_seconds(std::span<const PrefillPiece>, std::span<const DecodeRow>) override {
    if (steps_.empty()) throw Error("the engine made fewer bursts than the simulator takes steps");
    const double seconds = steps_.front();
    steps_.pop_front();
    return seconds;
  }

 private:
  const ModelCosts& plans_;
  std::deque<double> steps_;
};

}  // namespace

Row run_engine(const Study& study, const Trace* trace, const std::string& device,
               const std::function<bool()>& interrupted) {
  const Service& service = study.service;
  if (study.replicas != 1 || study.most_rows != 1 || service.samples != 1 || service.shared_prefix != 0) {
    throw UsageError(
        "an engine serves one request at a time: --replicas 1 --rows 1 --samples 1, no shared prefix");
  }
  const std::vector<Request> requests = make_requests(study.load, trace);
  const auto backend = backends().make(device);
  const auto model =
      backend->inference(service.spec, initial_parameters(service.spec, study.load.seed), study.dtype);
  const ModelCosts plans = study_costs(study, study.efficiency.mid, requests);
  MeasuredCosts costs(plans);
  Progress progress(fmt::format("{} {}", service.spec.name, to_string(service.generation)),
                    std::ssize(requests), "requests");
  for (size_t i = 0; i < requests.size(); ++i) {
    if (interrupted && interrupted()) throw Error("interrupted");
    GenerationRequest request;
    request.prompts = {random_prompt(service.spec, requests[i], study.load.seed, i)};
    request.new_tokens = requests[i].answer;
    request.generation = service.generation;
    if (i == 0) model->generate(request);  // warm
    costs.add(requests[i], model->generate(request));
    progress.update(static_cast<int64_t>(i) + 1);
  }
  progress.finish();

  FleetConfig config;
  config.replica.room_bytes = 1.0;
  config.replica.most_rows = 1;
  config.replica.prefill_units = longest_text;
  config.record_from = recorded_from(requests);
  Row row = describe(study, requests);
  row.hardware = backend->device_name();
  row.ceilings.clear();
  row.band = "engine";
  row.efficiency = "measured, not simulated";
  summarize(requests, service.spec.meta_context(), config, simulate(requests, config, costs), study.limits,
            row);
  row.memory_peak = Row::none;  // of the queue's one byte
  return row;
}

}  // namespace photon::app
