// A failure group for tests.

import type { GroupView } from "../src/wire";

export function group(key: string, changes: Partial<GroupView> = {}): GroupView {
  return {
    key,
    thread_id: `thread-${key}`,
    title: key,
    category: "out_of_memory",
    count: 2,
    state: "diagnosed",
    n_known: 0,
    learners: ["l1"],
    job_ids: ["101"],
    nodes: ["n1"],
    bad_node: "",
    last_seen: "",
    diagnosis: {
      category: "out_of_memory",
      title: `Why ${key}`,
      explanation: "It used **too much**.",
      confidence: 0.9,
      doubts: [],
      source: "rules",
      evidence: [],
      remedies: [],
    },
    ...changes,
  };
}
