// What stands in for a trait that is not there yet.

import { PROTOCOL, type Overview } from "./wire";

export const EMPTY_OVERVIEW: Overview = {
  protocol: PROTOCOL,
  run: "",
  run_id: "",
  n_jobs: {},
  n_failures: 0,
  n_groups: 0,
  n_pending: 0,
  problem: "",
  is_closed: false,
  mode: "approve",
  model: "",
  how_to_configure: "",
  budget_left: "",
  yolo_changes: 0,
  yolo_since: "",
  asks_anyway: "",
  quick_prompts: [],
};
