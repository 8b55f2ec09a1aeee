import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { formatDuration } from "../src/jobs";
import { OverviewPane } from "../src/overview";
import { Store } from "../src/store";
import type { GroupState, JobView } from "../src/wire";
import { FakeModel } from "./fake_model";
import { group } from "./group";
import { buttonOf, fakeShell, press } from "./shell";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

function opened(...groups: ReturnType<typeof group>[]) {
  const overview = { n_jobs: { failed: 37, running: 1200, waiting: 0 }, n_pending: 1, problem: "" };
  const model = new FakeModel({ groups, overview, active: "" });
  const shell = fakeShell();
  const pane = new OverviewPane(new Store(model), shell);
  shell.root.append(pane.element);
  return { model, shell, pane };
}

const titles = (pane: OverviewPane): (string | null)[] =>
  [...pane.element.querySelectorAll(".lm-group-title")].map((each) => each.textContent);

function type(pane: OverviewPane, label: string, text: string): void {
  const input = pane.element.querySelector<HTMLInputElement>(`[aria-label='${label}']`);
  if (!input) throw new Error(`no ${label}`);
  input.value = text;
  input.dispatchEvent(new Event("input"));
}

test("counts and problems are said in words, and change with the run", () => {
  const { model, pane } = opened();
  const counts = pane.element.querySelector(".lm-counts");
  expect(counts?.textContent).toBe("37 failed · 1,200 running · 1 diagnosis under way");
  expect(pane.element.textContent).toContain("No job has failed.");
  model.set("overview", { n_jobs: {}, problem: "sacct does <b>not</b> work." });
  expect(counts?.textContent).toBe("No jobs yet.");
  expect(pane.element.querySelector("[role=alert]")?.textContent).toBe("sacct does <b>not</b> work.");
});

test("groups show count, state and whom they hit; choosing one shows it", () => {
  const { pane, shell } = opened(group("k", { title: "<img src=x>", count: 3000, learners: ["a", "b"] }));
  const entry = pane.element.querySelector<HTMLElement>(".lm-group");
  expect(entry?.textContent).toBe("<img src=x>3,000×Diagnosed a, b");
  expect(pane.element.querySelector("img")).toBeNull();
  entry?.click();
  expect(shell.showGroup).toHaveBeenCalledWith("k");
});

test.each<[GroupState, string]>([
  ["new", "New"], ["diagnosing", "Diagnosing"], ["diagnosed", "Diagnosed"],
  ["fix_proposed", "Fix proposed"], ["fixed", "Fixed"], ["held", "Held"],
])("state %s is called %s", (state, label) => {
  const { pane } = opened(group("k", { state }));
  expect(pane.element.querySelector(".lm-tag")?.textContent).toBe(label);
});

test("filters by state and by text", () => {
  const { model, pane } = opened(
    group("k1", { title: "Memory", state: "new", job_ids: ["4711"] }),
    group("k2", { title: "Time", state: "held", nodes: ["gpu7"] }),
    group("k3", { title: "Import", state: "new" }),
  );
  buttonOf(pane.element, "New 2").click();
  expect(titles(pane)).toEqual(["Memory", "Import"]);
  expect(buttonOf(pane.element, "New 2").getAttribute("aria-pressed")).toBe("true");
  buttonOf(pane.element, "All 3").click();
  const label = "Filter failures by cause, job, learner or node";
  for (const [text, found] of [["GPU7", "Time"], ["4711", "Memory"], ["import", "Import"]] as const) {
    type(pane, label, text);
    expect(titles(pane)).toEqual([found]);
  }
  type(pane, label, "nothing");
  expect(pane.element.textContent).toContain("No failure fits this filter.");
  type(pane, label, "");
  buttonOf(pane.element, "Held 1").click();
  // A state that no group has any more must not hide everything.
  model.set("groups", [group("k1", { title: "Memory", state: "new" })]);
  expect(titles(pane)).toEqual(["Memory"]);
});

test("a row that did not change stays the same element and keeps the focus", () => {
  const { model, pane } = opened(group("k1"), group("k2"));
  const first = pane.element.querySelector<HTMLElement>(".lm-group");
  first?.focus();
  model.set("groups", [group("k3"), group("k1"), group("k2", { count: 9 })]);
  expect(pane.element.querySelectorAll(".lm-group")[1]).toBe(first);
  expect(document.activeElement).toBe(first);
});

test("many groups come in pages", () => {
  const { pane } = opened(...Array.from({ length: 250 }, (_, i) => group(`k${String(i)}`)));
  expect(titles(pane)).toHaveLength(100);
  buttonOf(pane.element, "Show 100 more of 250").click();
  buttonOf(pane.element, "Show 50 more of 250").click();
  expect(titles(pane)).toHaveLength(250);
});

test("the group of the active thread is marked", () => {
  const { model, pane } = opened(group("k1", { thread_id: "t1" }), group("k2", { thread_id: "t2" }));
  model.set("active", "t2");
  const current = pane.element.querySelectorAll("[aria-current]");
  expect([...current].map((each) => each.textContent)).toEqual(["k22×Diagnosed l1"]);
});

function job(index: number, more: Partial<JobView> = {}): JobView {
  return {
    index, learner: `l${String(index)}`, job_name: "j", job_id: String(100 + index), state: "running",
    elapsed_s: 65, note: "", group: "", ...more,
  };
}

const jobNames = (pane: OverviewPane): (string | null)[] =>
  [...pane.element.querySelectorAll(".lm-job-name")].map((each) => each.textContent);

async function withJobs() {
  const all = opened();
  buttonOf(all.pane.element, "Jobs").click();
  await all.model.reply(all.model.last("find_jobs"), {
    jobs: [job(0, { state: "failed", group: "k" }), job(1)], n: 3,
  });
  return all;
}

test("jobs are asked for when they are looked at, page by page", async () => {
  const { model, pane } = opened();
  expect(model.count("find_jobs")).toBe(0);
  buttonOf(pane.element, "Jobs").click();
  expect(model.last("find_jobs")).toMatchObject({ text: "", states: [], start: 0 });
  await model.reply(model.last("find_jobs"), { jobs: [job(0), job(1)], n: 3 });
  expect(jobNames(pane)).toEqual(["l0", "l1"]);
  buttonOf(pane.element, "Show more").click();
  expect(model.last("find_jobs")).toMatchObject({ start: 2 });
  await model.reply(model.last("find_jobs"), { jobs: [job(2)], n: 3 });
  expect(jobNames(pane)).toEqual(["l0", "l1", "l2"]);
  expect(buttonOf(pane.element, "Show more").hidden).toBe(true);
});

test("of very many causes it is said that not all are shown", () => {
  const { model, pane } = opened(group("a"), group("b"));
  model.set("overview", { n_groups: 700 });
  model.set("groups", [group("a"), group("b")]);
  expect(pane.element.querySelector("[role=tab]")?.textContent).toBe("Failures (700)");
  expect(pane.element.textContent).toContain("2 causes of 700");
});

test("a closed run is not asked for its jobs", async () => {
  const { model } = await withJobs();
  const n = model.count("find_jobs");
  model.set("overview", { is_closed: true });
  vi.advanceTimersByTime(10_000);
  expect(model.count("find_jobs")).toBe(n);
});

test("the job picker searches as one types, and a slow older answer is not shown", async () => {
  const { model, pane } = await withJobs();
  const label = "Search jobs by job or learner";
  type(pane, label, "l");
  type(pane, label, "l2");
  vi.advanceTimersByTime(200);
  expect(model.count("find_jobs")).toBe(2);
  const older = model.last("find_jobs");
  expect(older).toMatchObject({ text: "l2" });
  type(pane, label, "l3");
  vi.advanceTimersByTime(200);
  await model.reply(model.last("find_jobs"), { jobs: [job(3)], n: 1 });
  await model.reply(older, { jobs: [job(2)], n: 1 });
  expect(jobNames(pane)).toEqual(["l3"]);
  const select = pane.element.querySelector("select");
  if (!select) throw new Error("no states");
  select.value = "failed";
  select.dispatchEvent(new Event("change"));
  expect(model.last("find_jobs")).toMatchObject({ text: "l3", states: ["failed"] });
});

test("a failed job leads to its diagnosis, another one into the box", async () => {
  const { model, pane, shell } = await withJobs();
  const [failed, running] = pane.element.querySelectorAll<HTMLElement>(".lm-job");
  // Of very many causes not all are here; one can ask about the job all the same.
  failed?.click();
  expect(shell.showGroup).not.toHaveBeenCalled();
  expect(shell.draft).toHaveBeenCalledTimes(1);
  model.set("groups", [group("k")]);
  failed?.click();
  expect(shell.showGroup).toHaveBeenCalledWith("k");
  running?.click();
  expect(shell.draft).toHaveBeenCalledWith("@101 ");
});

test("the list follows the run while it is looked at, and not otherwise", async () => {
  const { model, pane } = await withJobs();
  const overview = model.get("overview");
  for (let i = 0; i < 5; i += 1) model.set("overview", overview);
  vi.advanceTimersByTime(2000);
  expect(model.count("find_jobs")).toBe(2);
  await model.reply(model.last("find_jobs"), { jobs: [job(0, { state: "done" })], n: 1 });
  expect(pane.element.querySelector(".lm-job")?.textContent).toContain("Done");
  press(buttonOf(pane.element, "Jobs"), "ArrowLeft");
  expect(document.activeElement).toBe(buttonOf(pane.element, "Failures (0)"));
  model.set("overview", overview);
  vi.advanceTimersByTime(5000);
  expect(model.count("find_jobs")).toBe(2);
});

test("the list does not jump back for those who have asked for more of it", async () => {
  const { model, pane } = await withJobs();
  buttonOf(pane.element, "Show more").click();
  await model.reply(model.last("find_jobs"), { jobs: [job(2)], n: 3 });
  model.set("overview", model.get("overview"));
  vi.advanceTimersByTime(5000);
  expect(model.count("find_jobs")).toBe(2);
  expect(jobNames(pane)).toHaveLength(3);
});

test("what went wrong with the search is said", async () => {
  const { model, pane } = await withJobs();
  type(pane, "Search jobs by job or learner", "x");
  vi.advanceTimersByTime(200);
  await model.refuse(model.last("find_jobs"), "The run has ended.");
  expect(pane.element.textContent).toContain("The run has ended.");
});

test.each([[0, "0 s"], [59.6, "1 min"], [65, "1 min 5 s"], [7500, "2 h 5 min"], [273_600, "3 d 4 h"]])(
  "%d seconds are %s",
  (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  },
);
