import { afterEach, beforeEach, expect, test, vi } from "vitest";
import panel from "../src/index";
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
  ["pointer that drags", ".lm-item", DOWN, "pointercancel"],
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

test("a space that is typed holds nothing", () => {
  press("textarea", SPACE());
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
  const pressed = press(".lm-item", DOWN());
  await vi.advanceTimersByTimeAsync(500);
  expect(pressed.textContent).not.toContain("and more");
  pressed.dispatchEvent(new Event("pointerup", { bubbles: true }));
  await vi.advanceTimersByTimeAsync(100);
  expect(el.querySelector(".lm-item")?.textContent).toContain("and more");
});
