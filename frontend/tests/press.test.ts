import { afterEach, beforeEach, expect, test, vi } from "vitest";
import panel from "../src/index";
import { Press } from "../src/press";
import { added, conversation, FakeModel, item, text } from "./fake_model";
import { group } from "./group";

let model: FakeModel;
let el: HTMLElement;
let close: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
  model = new FakeModel({
    active: "t",
    conversations: { t: conversation({ items: [item("i", { text: "One" })], seq: 1 }) },
    groups: [group("k", { count: 1 })],
  });
  el = document.createElement("div");
  document.body.append(el);
  close = panel.render({ model, el });
});
afterEach(() => {
  close();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function counts(): string[] {
  return [...el.querySelectorAll(".lm-group-count")].map((count) => count.textContent);
}

function entries(): number {
  return el.querySelectorAll(".lm-items > .lm-item").length;
}

function press(selector: string, event: Event): Element {
  const target = el.querySelector(selector);
  if (!target) throw new Error(`there is no ${selector}`);
  target.dispatchEvent(event);
  return target;
}

function bringNews(): void {
  model.set("groups", [group("k", { count: 2 })]);
  model.events("t", 2, added("j"), text("j", "Two"));
}

const DOWN = (): Event => new Event("pointerdown", { bubbles: true });
const SPACE = (): Event => new KeyboardEvent("keydown", { key: " ", bubbles: true });

test.each([
  ["pointer", ".lm-group-count", DOWN, "pointerup"],
  ["pointer that drags", ".lm-group", DOWN, "pointercancel"],
  ["key", ".lm-group", SPACE, "keyup"],
])("a pressed %s: what is under it stays, and all comes when it is released", async (_, where, start, end) => {
  const pressed = press(where, start());
  bringNews();
  await vi.advanceTimersByTimeAsync(1000);
  expect(counts()).toEqual(["1×"]);
  expect(entries()).toBe(1);
  expect(el.contains(pressed)).toBe(true);
  pressed.dispatchEvent(new Event(end, { bubbles: true }));
  // The click comes first.
  expect(el.contains(pressed)).toBe(true);
  await vi.advanceTimersByTimeAsync(100);
  expect(counts()).toEqual(["2×"]);
  expect(entries()).toBe(2);
});

test("what is pressed for long is not waited for", async () => {
  press(".lm-group", DOWN());
  bringNews();
  await vi.advanceTimersByTimeAsync(12_000);
  expect(counts()).toEqual(["2×"]);
});

test("a window that loses the focus ends it, an element that does so does not", async () => {
  press(".lm-group", DOWN());
  bringNews();
  press("textarea", new FocusEvent("blur"));
  await vi.advanceTimersByTimeAsync(1000);
  expect(counts()).toEqual(["1×"]);
  window.dispatchEvent(new FocusEvent("blur"));
  await vi.advanceTimersByTimeAsync(100);
  expect(counts()).toEqual(["2×"]);
});

test.each([
  ["a space that is typed", "textarea", SPACE],
  ["a scrollbar that is dragged", ".lm-transcript", DOWN],
  ["a text that is selected", ".lm-item .lm-markdown", DOWN],
])("%s holds nothing", (_, where, start) => {
  press(where, start());
  bringNews();
  expect(counts()).toEqual(["2×"]);
});

test("what a click chooses shows at once, also before what was held", async () => {
  const row = press(".lm-group", DOWN());
  bringNews();
  row.dispatchEvent(new Event("pointerup", { bubbles: true }));
  (row as HTMLElement).click();
  expect(el.querySelector(".lm-group")?.getAttribute("aria-current")).toBe("true");
  await vi.advanceTimersByTimeAsync(100);
  expect(entries()).toBe(0); // of the group's own conversation
  model.set("active", "t");
  expect(entries()).toBe(2);
});

test("a piece of an answer that was to be painted waits too", async () => {
  model.events("t", 2, text("i", " and more"));
  press(".lm-item button", DOWN());
  const pressed = el.querySelector(".lm-item") as Element;
  await vi.advanceTimersByTimeAsync(500);
  expect(pressed.textContent).not.toContain("and more");
  pressed.dispatchEvent(new Event("pointerup", { bubbles: true }));
  await vi.advanceTimersByTimeAsync(100);
  expect(el.querySelector(".lm-item")?.textContent).toContain("and more");
});

test.each([
  ["a move of the mouse without a button", () => new PointerEvent("pointermove", { buttons: 0 }), true],
  ["one with it", () => new PointerEvent("pointermove", { buttons: 1 }), false],
  ["a choice in a menu of the system", () => new Event("change"), true],
])("where the release goes elsewhere, %s is looked at", async (_, event, isEnd) => {
  press(".lm-group", DOWN());
  bringNews();
  window.dispatchEvent(event());
  await vi.advanceTimersByTimeAsync(100);
  expect(counts()).toEqual([isEnd ? "2×" : "1×"]);
});

test("moves after the release hold nothing longer", async () => {
  press(".lm-group", DOWN());
  bringNews();
  for (let step = 0; step < 10; step += 1) {
    window.dispatchEvent(new PointerEvent(step ? "pointermove" : "pointerup", { buttons: 0 }));
    await vi.advanceTimersByTimeAsync(20);
  }
  expect(counts()).toEqual(["2×"]);
});

test("the click of a touch may come later", async () => {
  press(".lm-group", DOWN());
  bringNews();
  window.dispatchEvent(new PointerEvent("pointerup", { pointerType: "touch" }));
  await vi.advanceTimersByTimeAsync(300);
  expect(counts()).toEqual(["1×"]);
  await vi.advanceTimersByTimeAsync(100);
  expect(counts()).toEqual(["2×"]);
});

test("what fails does not hold back what comes behind it", () => {
  const press = new Press();
  press.watch(el);
  el.querySelector("button")?.dispatchEvent(DOWN());
  const came: number[] = [];
  press.after(() => { throw new Error("of a part"); });
  press.after(() => { came.push(1); });
  window.dispatchEvent(new Event("pointerup"));
  expect(() => vi.advanceTimersByTime(100)).toThrow("of a part");
  press.after(() => { came.push(2); });
  expect(came).toEqual([1, 2]);
});
