import axe from "axe-core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import panel from "../src/index";
import { brightness } from "../src/theme";
import { added, approval, busy, conversation, FakeModel, finished, item, text } from "./fake_model";

let model: FakeModel;
let close: () => void;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "requestAnimationFrame", "cancelAnimationFrame", "performance"] });
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
});
afterEach(() => {
  close();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function show(traits: Record<string, unknown> = {}): HTMLElement {
  model = new FakeModel({ active: "t", conversations: { t: conversation() }, ...traits });
  const el = document.createElement("div");
  document.body.append(el);
  close = panel.render({ model, el });
  return el;
}

function entries(el: HTMLElement): (string | undefined)[] {
  return [...el.querySelectorAll<HTMLElement>(".lm-items > .lm-item")].map((one) => one.dataset["item"]);
}

async function frame(): Promise<void> {
  await vi.advanceTimersByTimeAsync(20);
}

const QUESTION = item("q", { role: "user", text: "Why?" });

test("an answer appears as it is written, and only its own entry is touched", async () => {
  const el = show({ conversations: { t: conversation({ items: [QUESTION], seq: 1 }) } });
  const first = el.querySelector(".lm-items")?.firstElementChild;
  model.events("t", 2, busy(true, "", "Reading the log"), added("i"));
  model.events("t", 4, text("i", "Out of "), text("i", "**memory**"));
  await frame();
  expect(entries(el)).toEqual(["q", "i"]);
  expect(el.querySelector(".lm-items")?.firstElementChild).toBe(first);
  expect(el.querySelector(".lm-item-assistant .lm-markdown")?.textContent.trim()).toBe("Out of memory");
  expect(el.querySelector(".lm-busy")?.textContent).toContain("Reading the log");
  model.events("t", 6, finished("i"), busy(false, "finished"));
  await frame();
  expect(el.querySelector(".lm-growing")).toBeNull();
  expect(el.querySelector(".lm-busy.lm-on")).toBeNull();
});

test("the end of an answer is told to a screen reader, its pieces are not", async () => {
  const el = show();
  const live = el.querySelector("[aria-live=polite]");
  model.events("t", 1, busy(true), added("i"), text("i", "It ran out of memory."));
  await vi.advanceTimersByTimeAsync(200);
  expect(live?.textContent).toBe("");
  model.events("t", 4, finished("i"), busy(false, "finished"));
  await vi.advanceTimersByTimeAsync(200);
  expect(live?.textContent).toBe("It ran out of memory.");
});

test("a question that is edited is said instead", async () => {
  const el = show({ conversations: { t: conversation({ items: [QUESTION, item("i")], seq: 2 }) } });
  el.querySelector<HTMLElement>("[data-item=q] [aria-label^=Edit]")?.click();
  const area = el.querySelector<HTMLTextAreaElement>(".lm-edit");
  if (!area) throw new Error("no editor");
  area.value = "Why now?";
  area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  expect(model.last("resend")).toMatchObject({ thread_id: "t", item_id: "q", text: "Why now?" });
  expect(el.querySelector(".lm-edit")).toBeNull();
  await model.reply(model.last("resend"));
});

/** Say something else in place of the question; returns the editor if there is one. */
function sayInstead(el: HTMLElement, words: string): HTMLTextAreaElement | null {
  el.querySelector<HTMLElement>("[data-item=q] [aria-label^=Edit]")?.click();
  const area = el.querySelector<HTMLTextAreaElement>(".lm-edit");
  if (!area) throw new Error("no editor");
  area.value = words;
  area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  return el.querySelector(".lm-edit");
}

test("a question that is edited and refused is in the editor again", async () => {
  const el = show({ conversations: { t: conversation({ items: [QUESTION, item("i")], seq: 2 }) } });
  expect(sayInstead(el, "/nonsense and much text")).toBeNull();
  await model.refuse(model.last("resend"), "There is no command /nonsense.");
  expect(el.querySelector<HTMLTextAreaElement>(".lm-edit")?.value).toBe("/nonsense and much text");
  expect(el.querySelector(".lm-toast[role=alert]")?.textContent).toContain("no command");
});

test.each(["taken back", "out of sight"])("a refused edit of what is %s is not lost", async (where) => {
  const el = show({ conversations: { t: conversation({ items: [QUESTION, item("i")], seq: 2 }) } });
  sayInstead(el, "Why now?");
  if (where === "taken back") model.events("t", 3, { type: "removed", item_id: "q" });
  else model.set("active", "u");
  await model.refuse(model.last("resend"), "The budget is used up.");
  model.set("active", "t");
  expect(el.querySelector(".lm-outgoing .lm-plain")?.textContent).toBe("Why now?");
  expect(el.querySelector(".lm-outgoing [role=alert]")?.textContent).toContain("used up");
});

test("trying again what is refused opens no editor", async () => {
  const el = show({ conversations: { t: conversation({ items: [QUESTION, item("i")], seq: 2 }) } });
  el.querySelector<HTMLElement>("[data-item=i] [aria-label='Try again']")?.click();
  await model.refuse(model.last("resend"), "The budget is used up.");
  expect(el.querySelector(".lm-edit, .lm-outgoing")).toBeNull();
  expect(el.querySelector(".lm-toast[role=alert]")?.textContent).toContain("used up");
});

test("Esc leaves the editor and stops nothing", () => {
  const el = show({ conversations: { t: conversation({ items: [QUESTION], seq: 1 }) } });
  model.events("t", 2, busy(true));
  el.querySelector<HTMLElement>("[data-item=q] [aria-label^=Edit]")?.click();
  const area = el.querySelector(".lm-edit");
  area?.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true }));
  expect(el.querySelector(".lm-edit")).toBeNull();
  expect(model.count("stop")).toBe(0);
});

test("trying again asks the question before the answer", () => {
  const other = item("q2", { role: "user", text: "And now?" });
  const items = [QUESTION, item("a"), other, item("b"), item("e", { role: "error", text: "Timed out." })];
  const el = show({ conversations: { t: conversation({ items, seq: 5 }) } });
  el.querySelector<HTMLElement>("[data-item=a] [aria-label='Try again']")?.click();
  expect(model.last("resend")).toMatchObject({ item_id: "q", text: "Why?" });
  el.querySelector<HTMLElement>("[data-item=e] [aria-label='Try again']")?.click();
  expect(model.last("resend")).toMatchObject({ item_id: "q2", text: "And now?" });
});

test("Esc anywhere in the panel stops the answer", () => {
  const el = show();
  model.events("t", 1, busy(true));
  el.querySelector(".lm-transcript")?.dispatchEvent(
    new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true }),
  );
  expect(model.count("stop")).toBe(1);
});

test("no key leaves the panel", () => {
  const el = show();
  const leaked = vi.fn();
  for (const kind of ["keydown", "keypress", "keyup", "paste"]) document.addEventListener(kind, leaked);
  for (const target of [el.querySelector("textarea"), el.querySelector(".lm-transcript")]) {
    for (const kind of ["keydown", "keypress", "keyup"]) {
      target?.dispatchEvent(new KeyboardEvent(kind, { key: "Enter", shiftKey: true, bubbles: true }));
    }
    target?.dispatchEvent(new Event("paste", { bubbles: true }));
  }
  for (const kind of ["keydown", "keypress", "keyup", "paste"]) document.removeEventListener(kind, leaked);
  expect(leaked).not.toHaveBeenCalled();
  expect(el.querySelector<HTMLElement>(".lm-panel")?.dataset["lmSuppressShortcuts"]).toBe("true");
});

test("only the newest entries are made; the others when they are asked for", async () => {
  const items = Array.from({ length: 90 }, (_, index) =>
    item(`i${String(index)}`, { role: "notice", text: "x" }),
  );
  const el = show({ conversations: { t: conversation({ items, seq: 90, n_earlier: 1 }) } });
  expect(entries(el)).toHaveLength(40);
  expect(entries(el).at(-1)).toBe("i89");
  const earlier = el.querySelector<HTMLButtonElement>(".lm-earlier");
  for (let n = 0; n < 2; n += 1) {
    earlier?.click();
    await frame();
  }
  expect(entries(el)).toHaveLength(90);
  expect(earlier?.hidden).toBe(false);
  earlier?.click();
  await model.reply(model.last("open_thread"), conversation({ items: [item("older")] }));
  await frame();
  expect(entries(el)[0]).toBe("older");
  expect(earlier?.hidden).toBe(true);
  model.events("t", 91, added("new"));
  expect(entries(el)).toHaveLength(92);
});

test("entries far from the end leave the page when the end is read, and come back", async () => {
  const items = Array.from({ length: 300 }, (_, index) =>
    item(`i${String(index)}`, { role: "user", text: `say ${String(index)}` }),
  );
  const el = show({ conversations: { t: conversation({ items, seq: 300 }) } });
  const earlier = el.querySelector<HTMLButtonElement>(".lm-earlier");
  const goUp = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) {
      earlier?.click();
      await frame();
    }
  };
  await goUp(7);
  expect(entries(el)).toHaveLength(300);
  model.events("t", 301, added("new"), text("new", "the answer"));
  expect(entries(el)).toHaveLength(301);
  // An entry in which the user writes stays, and all between it and the end.
  el.querySelector<HTMLElement>("[data-item=i3] [aria-label='Edit and send again']")?.click();
  const toEnd = el.querySelector<HTMLElement>(".lm-to-end");
  toEnd?.click();
  expect(entries(el)).toHaveLength(301);
  [...el.querySelectorAll<HTMLElement>("[data-item=i3] .lm-editor button")].at(-1)?.click();
  (document.activeElement as HTMLElement | null)?.blur();
  toEnd?.click();
  const shown = entries(el);
  expect(shown.length).toBeLessThan(100);
  expect(shown.at(-1)).toBe("new");
  expect(earlier?.hidden).toBe(false);
  await goUp(7);
  expect(entries(el)).toEqual([...items.map((one) => one.id), "new"]);
  expect(model.count("open_thread")).toBe(0);
});

test("what could not be sent offers to send it again or to take it back", async () => {
  const el = show();
  const box = el.querySelector<HTMLTextAreaElement>(".lm-box");
  if (!box) throw new Error("no box");
  box.value = "Hello";
  box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  await model.refuse(model.last("send"), "The budget is used up.");
  expect(el.querySelector(".lm-outgoing [role=alert]")?.textContent).toContain("The budget is used up.");
  const [again, back] = el.querySelectorAll<HTMLButtonElement>(".lm-outgoing .lm-failed button");
  again?.click();
  expect(model.count("send")).toBe(2);
  await model.refuse(model.last("send"), "Still used up.");
  el.querySelectorAll<HTMLButtonElement>(".lm-outgoing .lm-failed button")[1]?.click();
  expect(back).toBeDefined();
  expect(box.value).toBe("Hello");
  expect(el.querySelector(".lm-outgoing")).toBeNull();
});

test("threads are chosen, renamed and deleted", async () => {
  const thread = { kind: "chat", updated: "2026-01-02T03:04:05Z", tokens: 0, money: null, is_busy: false };
  const el = show({
    threads: [
      { ...thread, id: "t", title: "First", n_pending: 0 },
      { ...thread, id: "u", title: "<b>Second</b>", n_pending: 2 },
    ],
  });
  const opener = el.querySelector<HTMLButtonElement>(".lm-thread-opener");
  expect(opener?.textContent).toBe("First2");
  opener?.click();
  const row = (id: string): HTMLElement | null => el.querySelector(`li[data-thread=${id}]`);
  row("t")?.querySelector<HTMLElement>("[aria-label^=Rename]")?.click();
  const field = el.querySelector<HTMLInputElement>(".lm-input");
  if (!field) throw new Error("no field");
  field.value = "Memory";
  field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  expect(model.last("change_thread")).toMatchObject({ action: "rename", thread_id: "t", title: "Memory" });
  row("u")?.querySelector<HTMLElement>("[aria-label^=Delete]")?.click();
  expect(model.count("change_thread")).toBe(1);
  row("u")?.querySelector<HTMLElement>(".lm-danger")?.click();
  expect(model.last("change_thread")).toMatchObject({ action: "delete", thread_id: "u" });
  await model.refuse(model.last("change_thread"), "A change waits for a decision.");
  expect(el.querySelector(".lm-toast[role=alert]")?.textContent).toContain("A change waits");
  row("u")?.querySelector<HTMLElement>(".lm-thread")?.click();
  expect(model.traits["active"]).toBe("u");
  expect(opener?.getAttribute("aria-expanded")).toBe("false");
});

test("what is ready elsewhere is told, in the panel and by the browser", () => {
  const made: string[] = [];
  class Told {
    static permission = "granted";
    onclick: (() => void) | null = null;
    constructor(title: string) {
      made.push(title);
    }
    close(): void {
      made.push("closed");
    }
  }
  vi.stubGlobal("Notification", Told);
  const el = show();
  vi.spyOn(document, "hasFocus").mockReturnValue(false);
  const notice = { type: "notification", title: "Diagnosed", text: "3 jobs", thread_id: "u" };
  model.fire("msg:custom", notice);
  expect(made).toEqual(["Diagnosed"]);
  const toast = el.querySelector(".lm-toast");
  expect(toast?.textContent).toContain("Diagnosed: 3 jobs");
  toast?.querySelector("button")?.click();
  expect(model.traits["active"]).toBe("u");
  vi.mocked(document.hasFocus).mockReturnValue(true);
  model.fire("msg:custom", notice);
  expect(made).toEqual(["Diagnosed"]);
  expect(el.querySelector(".lm-toast")).toBeNull();
});

test("what leads to a thread goes away when the user is there", () => {
  const el = show();
  const notice = { type: "notification", title: "Diagnosed", text: "", thread_id: "u" };
  model.fire("msg:custom", notice);
  model.fire("msg:custom", { ...notice, thread_id: "v" });
  expect(el.querySelectorAll(".lm-toast")).toHaveLength(2);
  model.set("active", "u");
  expect(el.querySelectorAll(".lm-toast")).toHaveLength(1);
});

test("an answer that was stopped does not look whole, also later and after a reload", async () => {
  const stopped = item("i", { text: "Half an ans", is_stopped: true });
  const marks = (el: HTMLElement): string[] =>
    [...el.querySelectorAll<HTMLElement>(".lm-item")]
      .filter((one) => [...one.querySelectorAll("p")].some((p) => !p.hidden && p.textContent === "You stopped this answer."))
      .map((one) => one.dataset["item"] ?? "");
  let el = show({ conversations: { t: conversation({ items: [QUESTION], seq: 1 }) } });
  model.events("t", 2, busy(true), added("i"), text("i", "Half an ans"));
  await frame();
  expect(marks(el)).toEqual([]);
  model.events("t", 5, finished("i", true), busy(false, "cancelled"));
  await frame();
  expect(marks(el)).toEqual(["i"]);
  model.events("t", 7, added("h", { role: "user", text: "/help" }), busy(true), busy(false, "finished"));
  await frame();
  expect(marks(el)).toEqual(["i"]);
  close();
  el = show({ conversations: { t: conversation({ items: [QUESTION, stopped], seq: 9 }) } });
  expect(marks(el)).toEqual(["i"]);
});

test("a view that is closed leaves nothing behind", () => {
  const el = show();
  model.events("t", 1, busy(true));
  close();
  expect(model.nCallbacks).toBe(0);
  expect(el.childElementCount).toBe(0);
});

test("another version of the kernel is said", () => {
  const el = show({ overview: { protocol: 99 } });
  expect(el.textContent).toMatch(/another version/);
});

test("colours of a page", () => {
  expect(brightness("rgb(255, 255, 255)")).toBeCloseTo(1);
  expect(brightness("rgba(0, 0, 0, 0)")).toBeNull();
  expect(brightness("color(srgb 0.1 0.1 0.1)")).toBeCloseTo(0.1);
  expect(brightness("transparent")).toBeNull();
});

test("a screen reader finds nothing wrong", { timeout: 20_000 }, async () => {
  vi.useRealTimers();
  const diagnosis = {
    category: "out_of_memory",
    title: "Out of memory",
    explanation: "It needed **more**.",
    confidence: 0.9,
    doubts: [],
    source: "rules",
    evidence: [{ file: "a.out", line: 3, text: "oom" }],
    remedies: [{ kind: "memory", summary: "Ask for more", details: "" }],
  };
  const call = { call_id: "c", tool: "read_log", arguments: { file: "a" }, status: "ok", summary: "", output: "x" };
  const items = [
    QUESTION,
    item("i", { text: "| a |\n|---|\n| 1 |\n\n```py\nx=1\n```\n", calls: [call as never], approvals: ["a"] }),
    item("n", { role: "notice", text: "Stopped." }),
    item("e", { role: "error", text: "Timed out." }),
  ];
  const el = show({
    overview: { run: "scan", mode: "yolo", model: "m", quick_prompts: ["Why?"], n_failures: 3, asks_anyway: "Deleting." },
    groups: [
      {
        key: "g", thread_id: "t", title: "Out of memory", category: "out_of_memory", count: 3, state: "diagnosed",
        n_known: 0, learners: ["l"], job_ids: ["1"], nodes: ["n1"], bad_node: "", last_seen: "", diagnosis,
      },
    ],
    threads: [
      { id: "t", title: "Memory", kind: "group", updated: "", tokens: 0, money: null, is_busy: false, n_pending: 1 },
    ],
    conversations: { t: conversation({ items, approvals: [approval("a")], seq: 4 }) },
  });
  el.querySelector<HTMLElement>(".lm-thread-opener")?.click();
  for (const details of el.querySelectorAll("details")) details.open = true;
  const { violations } = await axe.run(el, {
    // There is no layout here; colours are judged in the browser tests.
    rules: { "color-contrast": { enabled: false }, region: { enabled: false } },
  });
  expect(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html.slice(0, 200))])).toEqual([]);
});
