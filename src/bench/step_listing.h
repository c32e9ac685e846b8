// The launches of a model's decode step as a table: what each is for, what it moves and touches. No
// device is needed.
#pragma once

#include <string>
#include <vector>

#include "step/launch_list.h"

namespace slipstream::bench {

struct ListedModel {
  std::string name_or_file;  // a released model, or a config.json
  int tp = 1;                // rank 0 of so many
  int tokens = 1;            // of a step that drafts: sequences
  int context = 8192;
  bool fp8_rows = false;
  int drafts = 0;  // of each sequence
};

struct ListedLaunch {
  int number = 0;  // in the step, from 1
  std::string title;
  int layer = 0;  // num_hidden_layers and more: after the last one, and of drafts
  double bytes = 0;
  std::vector<std::string> constants;
  std::vector<std::string> settled;  // read before the wait
  std::vector<std::string> reads;    // after it
  std::vector<std::string> writes;
};

// Layers whose launches are alike.
struct LayerKind {
  std::vector<int> layers;
  std::vector<ListedLaunch> launches;  // of the first of them
};

struct StepListing {
  std::vector<LayerKind> kinds;
  std::vector<ListedLaunch> after_layers;  // head, sampling, drafts
  int launch_count = 0;
  double bytes = 0;
};

// With as many distinct experts as a launch's tokens choose at most. Throws InvalidArgument for an
// unknown model, or more rows than a step has.
[[nodiscard]] StepListing list_model_step(const ListedModel& model);

// A Markdown table for people.
[[nodiscard]] std::string listing_text(const StepListing& listing);

}  // namespace slipstream::bench
