import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ApprovalDesk } from "../src/approvals";
import { Store } from "../src/store";
import type { ApprovalView } from "../src/wire";
import { approval, conversation, FakeModel, item } from "./fake_model";
import { buttonOf, fakeShell, labels, press } from "./shell";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

/** A thread with these approvals, their cards on the page, and buttons that take clicks. */
function opened(...approvals: ApprovalView[]) {
  const model = new FakeModel({
    active: "t",
    changes: [],
    conversations: {
      t: conversation({ approvals, items: [item("i", { approvals: approvals.map((x) => x.id) })] }),
    },
  });
  const store = new Store(model);
  const shell = fakeShell();
  const desk = new ApprovalDesk(store, shell);
  shell.root.append(...approvals.map((each) => desk.card(each.id)), desk.bar);
  vi.advanceTimersByTime(400);
  let seq = 0;
  const told = (changed: ApprovalView): void => {
    seq += 1;
    model.events("t", seq, { type: "approval", approval: changed, item_id: "i" });
  };
  return { model, store, shell, desk, told, card: (id: string) => desk.card(id) };
}

const isBusy = (card: HTMLElement): boolean => card.getAttribute("aria-busy") === "true";
const outcome = (card: HTMLElement): string | null | undefined =>
  card.querySelector(".lm-card-outcome")?.textContent;

/** Clicks Edit and writes into the box, which is returned. */
function edited(card: HTMLElement, text: string): HTMLTextAreaElement {
  buttonOf(card, "Edit").click();
  const area = card.querySelector("textarea");
  if (!area) throw new Error("nothing to edit");
  area.value = text;
  area.dispatchEvent(new Event("input"));
  return area;
}

test("a card says what, where, why, how risky, and shows the diff", () => {
  const { card } = opened(approval("a", { targets: ["/r/<b>x.py"], reason: "<i>why</i>" }));
  const text = card("a").textContent;
  for (const part of ["Change model.py", "/r/<b>x.py", "<i>why</i>", "low", "Waits for you"]) {
    expect(text).toContain(part);
  }
  expect(card("a").querySelector("b, i")).toBeNull();
  expect(card("a").querySelector(".lm-diff")?.textContent).toContain("added: b");
});

test("approve asks once, however often it is clicked, and shows what happened", async () => {
  const { model, card, told } = opened(approval("a"));
  const approve = buttonOf(card("a"), "Approve");
  approve.click();
  approve.click();
  expect(model.count("decide")).toBe(1);
  expect(model.last("decide")).toMatchObject({
    approval_ids: ["a"], decision: "approve", scope: "call",
  });
  expect(isBusy(card("a"))).toBe(true);
  expect(labels(card("a"))).not.toContain("Approve");
  await model.reply(model.last("decide"));
  told(approval("a", { status: "approved" }));
  expect(isBusy(card("a"))).toBe(true);
  told(approval("a", { status: "done", change_id: "c", can_undo: true }));
  expect(isBusy(card("a"))).toBe(false);
  expect(outcome(card("a"))).toContain("carried out");
  const details = card("a").querySelector("details");
  expect(details?.open).toBe(false);
  expect(card("a").querySelector(".lm-diff")).toBeNull();
  details?.setAttribute("open", "");
  details?.dispatchEvent(new Event("toggle"));
  expect(details?.querySelector(".lm-diff")?.textContent).toContain("added: b");
});

test("the second half of a double click on Approve hits no Undo", async () => {
  const { model, card, told } = opened(
    approval("a", { status: "done", change_id: "c", can_undo: true }),
  );
  const undo = buttonOf(card("a"), "Undo");
  undo.dispatchEvent(new MouseEvent("click", { detail: 2, bubbles: true }));
  expect(model.count("undo")).toBe(0);
  undo.dispatchEvent(new MouseEvent("click", { detail: 1, bubbles: true }));
  expect(model.last("undo")).toMatchObject({ change_id: "c" });
  expect(isBusy(card("a"))).toBe(true);
  await model.reply(model.last("undo"));
  told(approval("a", { status: "done", change_id: "c", undone: true }));
  expect(card("a").dataset["status"]).toBe("undone");
  expect(labels(card("a"))).not.toContain("Undo");
});

test("buttons that have just appeared take no click yet", () => {
  const { model, desk, shell, told } = opened(approval("a"));
  told(approval("b"));
  shell.root.append(desk.card("b"));
  expect(buttonOf(desk.card("b"), "Approve").disabled).toBe(true);
  buttonOf(desk.card("b"), "Approve").click();
  expect(model.count("decide")).toBe(0);
  vi.advanceTimersByTime(400);
  buttonOf(desk.card("b"), "Approve").click();
  expect(model.last("decide")).toMatchObject({ approval_ids: ["b"] });
});

test.each([
  [0, "turn"],
  [1, "kind"],
])("the menu's entry %i approves for this %s", (index, scope) => {
  const { model, card } = opened(approval("a"));
  buttonOf(card("a"), "More ways to approve").click();
  const entries = card("a").querySelectorAll<HTMLElement>("[role=menuitem]");
  expect(document.activeElement).toBe(entries[0]);
  press(document.activeElement, index ? "ArrowDown" : "Home");
  expect(document.activeElement).toBe(entries[index]);
  entries[index]?.click();
  expect(model.last("decide")).toMatchObject({ decision: "approve", scope });
});

test("a deletion is never approved beyond itself", () => {
  const { card } = opened(approval("a", { kind: "delete" }));
  buttonOf(card("a"), "More ways to approve").click();
  const entries = card("a").querySelectorAll(".lm-menu-label");
  expect([...entries].map((entry) => entry.textContent)).toEqual(["Approve for this turn"]);
});

test("Escape closes the menu and nothing else", () => {
  const { model, card, shell } = opened(approval("a"));
  const outside = vi.fn();
  shell.root.addEventListener("keydown", outside);
  buttonOf(card("a"), "More ways to approve").click();
  press(document.activeElement, "Escape");
  expect(card("a").querySelector<HTMLElement>("[role=menu]")?.hidden).toBe(true);
  expect(document.activeElement).toBe(buttonOf(card("a"), "More ways to approve"));
  expect(outside).not.toHaveBeenCalled();
  expect(model.count("decide")).toBe(0);
});

test("reject takes an optional message", () => {
  const { model, card, told } = opened(approval("a"));
  buttonOf(card("a"), "Reject").click();
  const input = card("a").querySelector("input");
  if (!input) throw new Error("no box for the message");
  expect(document.activeElement).toBe(input);
  input.value = " not that file ";
  input.dispatchEvent(new Event("input"));
  press(input, "Enter", { isComposing: true });
  expect(model.count("decide")).toBe(0);
  press(input, "Enter");
  expect(model.last("decide")).toMatchObject({ decision: "reject", message: "not that file" });
  told(approval("a", { status: "rejected", message: "not that file" }));
  expect(outcome(card("a"))).toBe("You rejected this: not that file");
  expect(card("a").querySelectorAll(".lm-card-actions button")).toHaveLength(0);
});

test("edit, then approve; Escape gives the choices back", () => {
  const { model, card } = opened(approval("a", { can_edit: true, text: "x = 1\n" }));
  buttonOf(card("a"), "Edit").click();
  press(card("a").querySelector("textarea"), "Escape");
  expect(labels(card("a"))).toContain("Approve");
  vi.advanceTimersByTime(400);
  buttonOf(card("a"), "Edit").click();
  const area = card("a").querySelector("textarea");
  if (!area) throw new Error("nothing to edit");
  expect(area.value).toBe("x = 1\n");
  area.value = "x = 2\n";
  area.dispatchEvent(new Event("input"));
  press(area, "Enter", { ctrlKey: true });
  expect(model.last("decide")).toMatchObject({ decision: "edit", text: "x = 2\n" });
});

test("the text to edit comes into view together with its buttons", () => {
  const seen: Element[] = [];
  Element.prototype.scrollIntoView = function (this: Element) { seen.push(this); };
  const { card } = opened(approval("a", { can_edit: true, text: "x = 1\n" }));
  vi.advanceTimersByTime(400);
  buttonOf(card("a"), "Edit").click();
  expect(seen.at(-1)?.querySelector("textarea")).toBe(document.activeElement);
  expect(seen.at(-1)?.textContent).toContain("Approve my version");
  Reflect.deleteProperty(Element.prototype, "scrollIntoView");
});

test("what was being written when it was decided elsewhere is not lost", () => {
  const { card, told } = opened(approval("a", { can_edit: true, text: "theirs" }));
  edited(card("a"), "mine <b>");
  told(approval("a", { status: "rejected", text: "theirs", message: "in the terminal" }));
  expect(card("a").querySelector("textarea")).toBeNull();
  expect(outcome(card("a"))).toContain("You rejected this: in the terminal");
  expect(card("a").querySelector("pre")?.textContent).toBe("mine <b>");
});

test.each(["void", "refused", "done by another"])(
  "a text that is on its way is not lost when it is %s",
  async (how) => {
    const { model, card, told } = opened(approval("a", { can_edit: true, text: "theirs" }));
    edited(card("a"), "mine");
    buttonOf(card("a"), "Approve my version").click();
    const status = { void: "void", refused: "rejected", "done by another": "done" }[how] as "void";
    told(approval("a", { status, text: "theirs" }));
    if (how === "void") await model.reply(model.last("decide"), { statuses: { a: "void" } });
    else await model.refuse(model.last("decide"), "It was decided already.");
    expect(card("a").querySelector("pre")?.textContent).toBe("mine");
  },
);

test("a text that was carried out is not shown as lost", async () => {
  const { model, card, told } = opened(approval("a", { can_edit: true, text: "theirs" }));
  edited(card("a"), "mine");
  buttonOf(card("a"), "Approve my version").click();
  told(approval("a", { status: "approved", text: "mine" }));
  told(approval("a", { status: "done", text: "mine" }));
  await model.reply(model.last("decide"), { statuses: { a: "done" } });
  expect(card("a").querySelector("pre")).toBeNull();
});

test("what can't be edited has no Edit", () => {
  expect(labels(opened(approval("a")).card("a"))).not.toContain("Edit");
});

test("what is being written survives news about other changes and a refusal", async () => {
  const { model, card, told } = opened(approval("a", { can_edit: true, text: "x" }), approval("b"));
  const area = edited(card("a"), "mine");
  told(approval("b", { status: "rejected" }));
  expect(card("a").querySelector("textarea")).toBe(area);
  buttonOf(card("a"), "Approve my version").click();
  await model.refuse(model.last("decide"), "The mode is read-only.");
  expect(card("a").querySelector("textarea")?.value).toBe("mine");
  expect(card("a").querySelector("[role=alert]")?.textContent).toBe("The mode is read-only.");
});

test("a void one says why and leads to the new one", () => {
  const { card, told, desk } = opened(approval("a"));
  told(approval("a2", { diff: "--- a\n+++ a\n@@ -1 +1 @@\n-new\n+diff\n" }));
  told(approval("a", { status: "void", message: "model.py changed.", replaced_by: "a2" }));
  expect(outcome(card("a"))).toContain("Nothing was changed. model.py changed.");
  expect(card("a").contains(desk.card("a2"))).toBe(true);
  expect(desk.card("a2").textContent).toContain("added: diff");
});

test("a decision that is lost can be made again, one that was made can't", async () => {
  const { model, card, told } = opened(approval("a"));
  buttonOf(card("a"), "Approve").click();
  await model.reply(model.last("decide"));
  vi.advanceTimersByTime(5000);
  expect(isBusy(card("a"))).toBe(false);
  buttonOf(card("a"), "Approve").click();
  expect(model.count("decide")).toBe(2);
  told(approval("a", { status: "failed", message: "The disk is full." }));
  // An older account of it changes nothing.
  told(approval("a"));
  expect(outcome(card("a"))).toBe("This could not be carried out. The disk is full.");
  expect(labels(card("a"))).not.toContain("Approve");
});

test("several are decided together, without those that are taken out", () => {
  const { model, desk, told } = opened(approval("a"), approval("b"), approval("c"));
  expect(desk.bar.hidden).toBe(false);
  const box = desk.bar.querySelector<HTMLInputElement>("[data-id=b] input");
  box?.click();
  buttonOf(desk.bar, "Approve 2").click();
  expect(model.last("decide")).toMatchObject({ approval_ids: ["a", "c"], decision: "approve" });
  expect(isBusy(desk.card("a"))).toBe(true);
  told(approval("a", { status: "done" }));
  told(approval("c", { status: "done" }));
  expect(desk.bar.hidden).toBe(true);
});

test("one that is decided on its card is not decided again from the bar", () => {
  const { model, desk, card } = opened(approval("a"), approval("b"));
  buttonOf(card("a"), "Approve").click();
  buttonOf(desk.bar, "Reject all 1").click();
  expect(model.last("decide")).toMatchObject({ approval_ids: ["b"], decision: "reject" });
});

test("a change made in YOLO mode says so", () => {
  const { model, card } = opened(approval("a", { status: "done", change_id: "c" }));
  model.set("changes", [{ id: "c", by: "yolo" }]);
  expect(outcome(card("a"))).toContain("YOLO");
});

test("nothing listens any more after dispose", () => {
  const { desk, told, card } = opened(approval("a"));
  desk.dispose();
  told(approval("a", { status: "done" }));
  expect(card("a").dataset["status"]).toBe("pending");
});
