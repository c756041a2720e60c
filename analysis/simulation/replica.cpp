// SPDX-License-Identifier: Apache-2.0
#include "analysis/simulation/replica.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace photon::analysis::simulation {

void Replica::enqueue(int64_t request, const ServicePlan& plan) {
  queue_.push_back({request, plan});
  const Request& r = requests_[request];
  load_ += r.prompt + r.answer * config_.samples;
}

void Replica::admit(double now) {
  while (!queue_.empty()) {
    const auto& [request, plan] = queue_.front();
    if (config_.most_rows > 0 && (resident() + 1) * config_.samples > config_.most_rows && resident() > 0)
      break;
    if (used_bytes_ + plan.prefill_bytes > config_.room_bytes) break;
    used_bytes_ += plan.prefill_bytes;
    fate(request).admitted = now;
    const Prefilling entered{request, plan, plan.shared_units};
    if (plan.prompt_units > plan.shared_units) {
      prefilling_.push_back(entered);
    } else {
      start_answer(entered, now);
    }
    queue_.pop_front();
  }
  sums_.peak_bytes = std::max(sums_.peak_bytes, used_bytes_);
  sums_.peak_requests = std::max(sums_.peak_requests, resident());
}

void Replica::plan_prefill() {
  pieces_.clear();
  int64_t budget = config_.prefill_units;
  for (const Prefilling& p : prefilling_) {
    if (budget == 0) break;
    const int64_t count = std::min(budget, p.plan.prompt_units - p.done);
    pieces_.push_back({p.done, p.done + count, p.done + count == p.plan.prompt_units});
    budget -= count;
  }
}

double Replica::begin_step(double now) {
  admit(now);
  plan_prefill();
  if (pieces_.empty() && rows_.empty()) return -1.0;
  const double seconds = costs_.step_seconds(pieces_, rows_);
  if (!(seconds >= 0.0) || !std::isfinite(seconds)) {
    throw Error(fmt::format("a step of {} pieces of prompts and {} requests takes {} s", pieces_.size(),
                            rows_.size(), seconds));
  }
  stepping_ = true;
  step_start_ = now;
  sums_.busy_seconds += seconds;
  sums_.row_seconds += seconds * static_cast<double>(std::ssize(rows_) * config_.samples);
  ++sums_.steps;
  return now + seconds;
}

int64_t Replica::end_step(double now) {
  stepping_ = false;
  finished_ = 0;
  // Whoever has emitted before did so when the last step ended, which is when this one began.
  const double gap = now - step_start_;
  int64_t gaps = 0;
  for (size_t i = 0; i < decoding_.size();) {
    Decoding& d = decoding_[i];
    ++rows_[i].unit;
    if (d.steps_left > d.silent_steps) gaps += emit(d, gap, now);
    if (--d.steps_left > 0) {
      ++i;
      continue;
    }
    finish(d.request, d.held_bytes, now);
    d = decoding_.back();
    decoding_.pop_back();
    rows_[i] = rows_.back();
    rows_.pop_back();
  }
  gaps_.add(now, gap, gaps);

  for (const PrefillPiece& piece : pieces_) {
    prefilling_.front().done = piece.to;
    if (!piece.last) break;  // the budget ended inside this prompt
    start_answer(prefilling_.front(), now);
    prefilling_.pop_front();
  }
  pieces_.clear();
  return finished_;
}

int64_t Replica::emit(Decoding& d, double gap, double now) {
  Fate& f = fate(d.request);
  f.last = now;
  if (d.emitted) {
    f.longest_gap = std::max(f.longest_gap, gap);
    return 1;
  }
  d.emitted = true;
  f.first = now;
  return 0;
}

void Replica::start_answer(const Prefilling& p, double now) {
  used_bytes_ -= p.plan.prefill_bytes - p.plan.held_bytes;
  const bool emits = p.plan.prefill_emits;
  Fate& f = fate(p.request);
  f.longest_gap = 0.0;
  if (emits) f.first = f.last = now;
  if (p.plan.decode_steps == 0) {
    finish(p.request, p.plan.held_bytes, now);
    return;
  }
  decoding_.push_back({p.request, p.plan.decode_steps, p.plan.silent_steps, p.plan.held_bytes, emits});
  rows_.push_back({p.plan.shared_units, p.plan.prompt_units, p.plan.prompt_units});
}

void Replica::finish(int64_t request, double held_bytes, double now) {
  fate(request).done = now;
  used_bytes_ -= held_bytes;
  const Request& r = requests_[request];
  load_ -= r.prompt + r.answer * config_.samples;
  ++finished_;
}

}  // namespace photon::analysis::simulation
