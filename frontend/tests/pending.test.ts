import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Conversation } from "../src/conversation";
import { Store } from "../src/store";
import type { Item } from "../src/wire";
import { approval, conversation, FakeModel, item, settled } from "./fake_model";
import { buttonOf, fakeShell } from "./shell";

/** Tells that an element came into sight or left it, as the browser does. */
let look: (element: Element, isSeen: boolean) => void;

beforeEach(() => {
  vi.useFakeTimers();
  look = () => undefined;
  vi.stubGlobal("IntersectionObserver", class {
    constructor(callback: (entries: unknown[]) => void) {
      look = (target, isIntersecting) => { callback([{ target, isIntersecting }]); };
    }
    observe = vi.fn();
    unobserve = vi.fn();
    disconnect = vi.fn();
  });
  Element.prototype.scrollIntoView = vi.fn();
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const many = (n: number, name = "i"): Item[] =>
  Array.from({ length: n }, (_, i) => item(`${name}${String(i)}`, { role: "user", text: "x" }));

function opened(whole: Parameters<typeof conversation>[0], traits = {}) {
  const model = new FakeModel({ active: "t", conversations: { t: conversation(whole) }, ...traits });
  const store = new Store(model);
  const shell = fakeShell();
  const view = new Conversation(store, shell);
  shell.root.append(view.element, view.desk.bar);
  const cards = (): number => view.element.querySelectorAll(".lm-card").length;
  return { model, store, view, bar: view.desk.bar, cards };
}

test("an entry with a change that waits is on the page, however old it is", () => {
  const first = item("old", { role: "notice", approvals: ["1", "2"] });
  const approvals = [approval("1"), approval("2")];
  const { model, view, cards } = opened({ items: [first, ...many(200)], approvals, seq: 1 });
  expect(cards()).toBe(2);
  // Who goes to the end does not take it away, until it is decided.
  model.events("t", 2, { type: "item", item: item("new") });
  view.showEnd();
  expect(cards()).toBe(2);
  for (const [index, id] of ["1", "2"].entries()) {
    const done = approval(id, { status: "done" });
    model.events("t", 3 + index, { type: "approval", approval: done, item_id: "old" });
  }
  model.events("t", 5, { type: "item", item: item("newer") });
  expect(cards()).toBe(0);
});

test("one that is known to wait only later comes on the page as well", () => {
  const first = item("old", { approvals: ["1"] });
  const { model, cards } = opened({ items: [first, ...many(60)], seq: 1 });
  expect(cards()).toBe(0);
  model.events("t", 2, { type: "approval", approval: approval("1"), item_id: "old" });
  expect(cards()).toBe(1);
});

test("the one that replaces another keeps its entry on the page", () => {
  const first = item("old", { approvals: ["1"] });
  const approvals = [approval("1", { status: "void", replaced_by: "2" }), approval("2")];
  const { cards } = opened({ items: [first, ...many(60)], approvals, seq: 1 });
  expect(cards()).toBe(2);
});

test("a single change that is out of sight has a sign that leads to it", async () => {
  const first = item("old", { approvals: ["1"] });
  const { view, bar } = opened({ items: [first, ...many(60)], approvals: [approval("1")], seq: 1 });
  const card = view.desk.card("1");
  expect(bar.hidden).toBe(true);
  look(card, false);
  expect(bar.hidden).toBe(false);
  expect(bar.textContent).toContain("A change waits for you: Change model.py");
  buttonOf(bar, "Show: Change model.py").click();
  await settled();
  expect(document.activeElement).toBe(card);
  look(card, true);
  expect(bar.hidden).toBe(true);
});

test("what waits in messages that are not loaded is told and fetched", async () => {
  const thread = {
    id: "t", title: "", kind: "chat", updated: "", tokens: 0, money: null, is_busy: false, n_pending: 1,
  };
  const { model, view, bar, cards } = opened(
    { items: many(60), n_earlier: 80, seq: 1 },
    { threads: [thread] },
  );
  expect(bar.textContent).toContain("1 change to decide: Earlier messages");
  buttonOf(bar, "Show: Earlier messages").click();
  await model.reply(
    model.last("open_thread"),
    conversation({ items: many(40, "e"), n_earlier: 40 }),
  );
  expect(cards()).toBe(0);
  const old = item("old", { approvals: ["1"] });
  await model.reply(
    model.last("open_thread"),
    conversation({ items: [old, ...many(39, "f")], approvals: [approval("1")] }),
  );
  await settled();
  expect(model.count("open_thread")).toBe(2);
  expect(document.activeElement).toBe(view.desk.card("1"));
  expect(view.element.contains(view.desk.card("1"))).toBe(true);
  expect(bar.hidden).toBe(true);
});

test("a decision is not followed by a sign of a change that does not wait", () => {
  const thread = {
    id: "t", title: "", kind: "chat", updated: "", tokens: 0, money: null, is_busy: false, n_pending: 1,
  };
  const { model, bar } = opened(
    { items: [item("i", { approvals: ["1"] })], approvals: [approval("1")], n_earlier: 9, seq: 1 },
    { threads: [thread] },
  );
  expect(bar.hidden).toBe(true);
  const done = approval("1", { status: "done" });
  model.events("t", 2, { type: "approval", approval: done, item_id: "i" });
  expect(bar.hidden).toBe(true);
  model.set("threads", [{ ...thread, n_pending: 0 }]);
  expect(bar.hidden).toBe(true);
});

test("nothing waits in a thread that was deleted with what it had proposed", async () => {
  const items = [item("x", { approvals: ["1", "2"] })];
  const { model, store, bar } = opened({ items, approvals: [approval("1"), approval("2")], seq: 3 });
  expect(bar.hidden).toBe(false);
  model.set("conversations", {});
  model.set("active", "");
  model.set("active", "t");
  await model.reply(model.last("open_thread"), conversation());
  expect(store.pendingApprovals("t")).toEqual([]);
  expect(bar.hidden).toBe(true);
});
