import { expect, test } from "vitest";

import { ModeSwitch } from "../src/mode";
import { Store } from "../src/store";
import type { PanelMode } from "../src/wire";
import { FakeModel, settled } from "./fake_model";
import { buttonOf, fakeShell, press } from "./shell";

function opened(mode: PanelMode, more = {}) {
  const overview = { mode, yolo_changes: 0, asks_anyway: "It still asks before it deletes.", ...more };
  const model = new FakeModel({ overview, changes: [] });
  const shell = fakeShell();
  const modes = new ModeSwitch(new Store(model), shell);
  shell.root.append(modes.element, modes.banner);
  return { model, shell, modes };
}

const chosen = (modes: ModeSwitch): string | undefined =>
  modes.element.querySelector<HTMLInputElement>("input:checked")?.value;
const radio = (modes: ModeSwitch, mode: PanelMode): HTMLInputElement => {
  const found = modes.element.querySelector<HTMLInputElement>(`input[value=${mode}]`);
  if (!found) throw new Error(`no ${mode}`);
  return found;
};

test("read-only and approve are switched at once", async () => {
  const { model, modes } = opened("approve");
  expect(chosen(modes)).toBe("approve");
  radio(modes, "read-only").click();
  expect(model.last("set_mode")).toMatchObject({ mode: "read-only" });
  expect(chosen(modes)).toBe("read-only");
  model.set("overview", { mode: "read-only" });
  await model.reply(model.last("set_mode"));
  expect(chosen(modes)).toBe("read-only");
});

test("YOLO asks for confirmation once and says what still asks", async () => {
  const { model, modes, shell } = opened("approve");
  radio(modes, "yolo").click();
  await settled();
  expect(model.count("set_mode")).toBe(0);
  expect(chosen(modes)).toBe("approve");
  const dialogs = shell.root.querySelectorAll<HTMLElement>("[role=alertdialog]");
  expect(dialogs).toHaveLength(1);
  const [dialog] = dialogs;
  if (!dialog) throw new Error("no question");
  expect(dialog.textContent).toContain("It still asks before it deletes.");
  expect(document.activeElement?.textContent).toBe("Cancel");
  radio(modes, "yolo").click();
  await settled();
  expect(shell.root.querySelectorAll("[role=alertdialog]")).toHaveLength(1);
  buttonOf(dialog, "Switch YOLO on").click();
  await settled();
  expect(model.count("set_mode")).toBe(1);
  expect(model.last("set_mode")).toMatchObject({ mode: "yolo" });
  expect(shell.root.querySelector("[role=alertdialog]")).toBeNull();
});

test.each(["Escape", "Cancel", "outside"])("%s leaves the mode as it is", async (how) => {
  const { model, modes, shell } = opened("approve");
  radio(modes, "yolo").click();
  await settled();
  if (how === "Escape") press(document.activeElement, "Escape");
  else if (how === "Cancel") buttonOf(shell.root, "Cancel").click();
  else shell.root.querySelector(".lm-cover")?.dispatchEvent(new Event("pointerdown"));
  await settled();
  expect(model.count("set_mode")).toBe(0);
  expect(chosen(modes)).toBe("approve");
  expect(modes.banner.hidden).toBe(true);
  expect(document.activeElement).toBe(radio(modes, "approve"));
});

test("the focus stays inside of the question", async () => {
  const { modes, shell } = opened("approve");
  radio(modes, "yolo").click();
  await settled();
  press(document.activeElement, "Tab");
  expect(document.activeElement).toBe(buttonOf(shell.root, "Switch YOLO on"));
  press(document.activeElement, "Tab");
  expect(document.activeElement).toBe(buttonOf(shell.root, "Cancel"));
});

test("YOLO is unmistakable as long as it is on: banner, colour, counter", () => {
  const { model, modes, shell } = opened("yolo", { yolo_changes: 1 });
  expect(modes.banner.hidden).toBe(false);
  expect(modes.banner.textContent).toContain("changes are made without asking you");
  expect(modes.banner.textContent).toContain("1 change made");
  expect(shell.root.dataset["mode"]).toBe("yolo");
  model.set("overview", { mode: "yolo", yolo_changes: 12 });
  expect(modes.banner.textContent).toContain("12 changes made");
  buttonOf(modes.banner, "Switch YOLO off").click();
  expect(model.last("set_mode")).toMatchObject({ mode: "approve" });
  expect(modes.banner.hidden).toBe(false);
  model.set("overview", { mode: "approve" });
  expect(modes.banner.hidden).toBe(true);
  expect(shell.root.dataset["mode"]).toBe("approve");
});

test("the banner lists the changes that YOLO made, with undo", async () => {
  const { model, modes, shell } = opened("yolo");
  const change = {
    approval_id: "", thread_id: "t", turn_id: "u", tool: "edit_file", targets: ["/a"], diff: "",
    made_at: "2026-01-01T00:00:00Z", undone_by: "",
  };
  model.set("changes", [
    { ...change, id: "c1", summary: "Edit a", by: "yolo" },
    { ...change, id: "c2", summary: "Edit b", by: "approval" },
  ]);
  buttonOf(modes.banner, "Show its changes").click();
  expect(modes.banner.textContent).toContain("Edit a");
  expect(modes.banner.textContent).not.toContain("Edit b");
  buttonOf(modes.banner, "Undo: Edit a").click();
  expect(model.last("undo")).toMatchObject({ change_id: "c1" });
  await model.refuse(model.last("undo"), "The file changed.");
  expect(shell.toast).toHaveBeenCalledWith("The file changed.", "error");
  expect(buttonOf(modes.banner, "Undo: Edit a").disabled).toBe(false);
});

test("a refusal is told and the switch stays true", async () => {
  const { model, modes, shell } = opened("approve");
  radio(modes, "read-only").click();
  await model.refuse(model.last("set_mode"), "Not now.");
  expect(shell.toast).toHaveBeenCalledWith("Not now.", "error");
  expect(chosen(modes)).toBe("approve");
});

test("the list has the changes that the counter counts: those since YOLO was switched on", () => {
  const { model, modes } = opened("yolo", { yolo_changes: 1, yolo_since: "2026-01-02T00:00:00+00:00" });
  const change = (id: string, madeAt: string, by = "yolo") => ({
    id, approval_id: "", thread_id: "t", turn_id: "", tool: "edit_file", summary: id, targets: [],
    diff: "", made_at: madeAt, by, undone_by: "",
  });
  model.set("changes", [
    change("before", "2026-01-01T23:59:59.999999+00:00"),
    change("since", "2026-01-02T00:00:00.000001+00:00"),
    change("mine", "2026-01-02T00:00:01+00:00", "approval"),
  ]);
  const listed = (): (string | null)[] =>
    [...modes.banner.querySelectorAll(".lm-change-summary")].map((each) => each.textContent);
  expect(listed()).toEqual(["since"]);
  model.set("overview", { mode: "yolo", yolo_changes: 0, yolo_since: "2026-01-03T00:00:00+00:00" });
  expect(listed()).toEqual([]);
});

test("who goes on writing while the mode is switched keeps the focus", async () => {
  const { model, modes, shell } = opened("approve");
  const box = document.createElement("textarea");
  shell.root.append(box);
  radio(modes, "read-only").focus();
  radio(modes, "read-only").click();
  box.focus();
  model.set("overview", { mode: "read-only" });
  await model.reply(model.last("set_mode"));
  expect(document.activeElement).toBe(box);
});
