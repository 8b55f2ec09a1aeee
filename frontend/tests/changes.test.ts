import { expect, test } from "vitest";

import { ChangesPane } from "../src/changes";
import { Store } from "../src/store";
import type { ChangeView } from "../src/wire";
import { FakeModel } from "./fake_model";
import { buttonOf, fakeShell, labels } from "./shell";

function change(id: string, more: Partial<ChangeView> = {}): ChangeView {
  return {
    id, approval_id: "", thread_id: "t", turn_id: "", tool: "edit_file", summary: `Edit ${id}`,
    targets: [`/r/${id}`], diff: "--- a\n+++ a\n@@ -1 +1 @@\n-a\n+b\n",
    made_at: `2026-01-01T00:00:0${id.slice(1)}Z`, by: "approval", undone_by: "", ...more,
  };
}

function opened(...changes: ChangeView[]) {
  const model = new FakeModel({ changes });
  const shell = fakeShell();
  const pane = new ChangesPane(new Store(model), shell);
  shell.root.append(pane.element);
  return { model, pane };
}

const summaries = (pane: ChangesPane): (string | null)[] =>
  [...pane.element.querySelectorAll(".lm-change-summary")].map((each) => each.textContent);

test("the newest comes first, and new ones are added", () => {
  const { model, pane } = opened(change("c1"), change("c2"));
  expect(summaries(pane)).toEqual(["Edit c2", "Edit c1"]);
  model.set("changes", [change("c3"), change("c1"), change("c2")]);
  expect(summaries(pane)).toEqual(["Edit c3", "Edit c2", "Edit c1"]);
  model.set("changes", []);
  expect(summaries(pane)).toEqual([]);
  expect(pane.element.textContent).toContain("Nothing was changed yet.");
});

test("all of an answer can be undone, once", async () => {
  const turn = { turn_id: "u" };
  const { model, pane } = opened(change("c1", turn), change("c2", turn), change("c3"));
  const all = buttonOf(pane.element, "Undo all 2 changes of this answer");
  all.click();
  all.click();
  expect(model.count("undo")).toBe(1);
  expect(model.last("undo")).toMatchObject({ turn_id: "u" });
  expect(labels(pane.element)).toEqual(["Undo: Edit c3"]);
  await model.reply(model.last("undo"));
  model.set("changes", [
    change("c4", { by: "undo", ...turn }),
    change("c1", { ...turn, undone_by: "c4" }),
    change("c2", { ...turn, undone_by: "c5" }),
    change("c3"),
  ]);
  expect(labels(pane.element)).toEqual(["Do it again: Edit c4", "Undo: Edit c3"]);
});

test("the diff is there when it is asked for, and stays open", () => {
  const { model, pane } = opened(change("c1"));
  const details = pane.element.querySelector<HTMLDetailsElement>("li details");
  if (!details) throw new Error("no diff");
  expect(details.querySelector(".lm-diff")).toBeNull();
  details.open = true;
  details.dispatchEvent(new Event("toggle"));
  expect(details.textContent).toContain("added: b");
  model.set("changes", [change("c1", { undone_by: "c2" })]);
  const again = pane.element.querySelector<HTMLDetailsElement>("li details");
  expect(again?.open).toBe(true);
  expect(again?.textContent).toContain("added: b");
});
