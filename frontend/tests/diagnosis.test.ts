import { expect, test } from "vitest";

import { visibleName } from "../src/dom";
import { DiagnosisPane } from "../src/diagnosis";
import { Store } from "../src/store";
import type { GroupView } from "../src/wire";
import { FakeModel } from "./fake_model";
import { group } from "./group";
import { buttonOf, fakeShell, labels } from "./shell";

function opened(shown: GroupView) {
  const model = new FakeModel({ groups: [shown] });
  const shell = fakeShell();
  const pane = new DiagnosisPane(new Store(model), shell);
  shell.root.append(pane.element);
  pane.show(shown.key);
  return { model, shell, pane };
}

const FULL = group("k", {
  count: 37,
  n_known: 4,
  bad_node: "n7",
  learners: Array.from({ length: 20 }, (_, i) => `l${String(i)}`),
  diagnosis: {
    category: "out_of_memory",
    title: "It took <b>all</b> memory",
    explanation: "Killed at **4 GB**. <img src=x onerror=alert(1)>",
    confidence: 0.876,
    doubts: ["The node was <i>shared</i>."],
    source: "model",
    evidence: [{ file: "/r/<script>.out", line: 812, text: "oom-kill <svg onload=alert(1)>" }],
    remedies: [
      { kind: "resources", summary: "Ask for 8 GB", details: "Use `--mem`." },
      { kind: "edit", summary: "Use float32", details: "" },
    ],
  },
});

test("it says why, how sure, what speaks against it and what can be done", () => {
  const { pane } = opened(FULL);
  const text = pane.element.textContent;
  for (const part of [
    "It took <b>all</b> memory", "37 failures (4 known from before)", "out of memory",
    "88 % sure, by the model", "4 GB", "The node was <i>shared</i>.", "Ask for 8 GB", "Use float32",
    "Node n7 seems to be the cause",
  ]) {
    expect(text).toContain(part);
  }
  expect(pane.element.querySelector("img, svg, script, i, b")).toBeNull();
});

test("a proving line opens the log there", () => {
  const { pane, shell } = opened(FULL);
  const proof = pane.element.querySelector<HTMLElement>(".lm-proof");
  expect(proof?.textContent).toContain(":812");
  proof?.click();
  expect(shell.openLog).toHaveBeenCalledWith("/r/<script>.out", 812);
});

test("all names are there on demand", () => {
  const { pane } = opened(FULL);
  expect(pane.element.textContent).not.toContain("l19");
  buttonOf(pane.element, "and 12 more").click();
  expect(pane.element.textContent).toContain("l18, l19");
});

test.each([
  ["new", ["Fix"]],
  ["diagnosed", ["Fix"]],
  ["diagnosing", []],
  ["held", ["Fix", "Release"]],
  ["fixed", ["Release"]],
] as const)("what can be done in state %s", (state, expected) => {
  const { pane } = opened(group("k", { state }));
  expect(labels(pane.element)).toEqual(expected);
});

test("Fix is asked for once, shows that it works, and leads to the thread", async () => {
  const { model, shell, pane } = opened(FULL);
  const fix = buttonOf(pane.element, "Fix");
  fix.click();
  fix.click();
  expect(model.count("fix")).toBe(1);
  expect(model.last("fix")).toMatchObject({ group: "k" });
  expect(pane.element.textContent).toContain("Looking for a fix …");
  await model.reply(model.last("fix"), { thread_id: "t9" });
  expect(shell.showThread).toHaveBeenCalledWith("t9");
  expect(labels(pane.element)).toContain("Fix");
});

test("who has gone to another conversation while a fix is looked for stays there", async () => {
  const { model, shell, pane } = opened(FULL);
  buttonOf(pane.element, "Fix").click();
  pane.show("");
  await model.reply(model.last("fix"), { thread_id: "t9" });
  expect(shell.showThread).not.toHaveBeenCalled();
  expect(shell.toast).not.toHaveBeenCalled();
});

test("a refusal is told, and Release works as Fix does", async () => {
  const { model, shell, pane } = opened(group("k", { state: "held" }));
  buttonOf(pane.element, "Fix").click();
  await model.refuse(model.last("fix"), "The mode is read-only.");
  expect(shell.toast).toHaveBeenCalledWith("The mode is read-only.", "error");
  buttonOf(pane.element, "Release").click();
  expect(model.last("release")).toMatchObject({ group: "k" });
});

test("it follows its group, keeps open what was opened, and hides without one", () => {
  const { model, pane } = opened(FULL);
  const details = pane.element.querySelector<HTMLDetailsElement>("details");
  if (!details) throw new Error("nothing to open");
  details.open = true;
  model.set("groups", [{ ...FULL, last_seen: "2026-01-01T00:00:00Z" }]);
  expect(pane.element.querySelector("details")).toBe(details);
  model.set("groups", [{ ...FULL, count: 38 }]);
  expect(pane.element.textContent).toContain("38 failures");
  expect(pane.element.querySelector("details")?.open).toBe(true);
  pane.show("");
  expect(pane.element.hidden).toBe(true);
});

test("a name of a file can't look like another", () => {
  const name = visibleName("a\n<b>\u202etuo.\u200b\u0007é 漢.out");
  expect(name).toBe("a\\u000a<b>\\u202etuo.\\u200b\\u0007é 漢.out");
});
