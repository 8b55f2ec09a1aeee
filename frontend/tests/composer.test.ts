import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { wordToComplete } from "../src/completion";
import { Composer } from "../src/composer";
import { cellText, droppedText } from "../src/drop";
import type { Shell } from "../src/shell";
import { Store } from "../src/store";
import { busy, conversation, FakeModel, item } from "./fake_model";

let model: FakeModel;
let composer: Composer;
let said: string[];
let shell: Shell;

beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel({
    active: "t",
    overview: { quick_prompts: ["Why did 37 jobs fail?"], model: "small", budget_left: "left: 1,200 tokens today, 9 calls this run" },
    threads: [{ id: "t", title: "", kind: "chat", updated: "", tokens: 1234, money: 0.0123, is_busy: false, n_pending: 0 }],
    conversations: {
      t: conversation({
        items: [
          item("a", { role: "user", text: "first" }),
          item("b", { text: "answer" }),
          item("c", { role: "user", text: "second" }),
        ],
      }),
    },
  });
  said = [];
  shell = {
    root: document.body,
    openLog: vi.fn(),
    draft: vi.fn(),
    say: (text) => { said.push(text); },
    showThread: vi.fn(),
    showGroup: vi.fn(),
    announce: vi.fn(),
    toast: vi.fn(),
  };
  composer = new Composer(new Store(model), shell);
  document.body.append(composer.element);
});
afterEach(() => {
  composer.dispose();
  document.body.replaceChildren();
  vi.useRealTimers();
});

function press(key: string, more: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  composer.box.dispatchEvent(event);
  return event;
}

function write(text: string): void {
  composer.box.value = text;
  composer.box.setSelectionRange(text.length, text.length);
  composer.box.dispatchEvent(new Event("input", { bubbles: true }));
}

test("Enter sends and empties the box", () => {
  write("  Why?  ");
  expect(press("Enter").defaultPrevented).toBe(true);
  expect(said).toEqual(["Why?"]);
  expect(composer.box.value).toBe("");
});

test("Shift+Enter breaks the line", () => {
  write("Why?");
  expect(press("Enter", { shiftKey: true }).defaultPrevented).toBe(false);
  expect(said).toEqual([]);
});

test("keys of an input method are its own", () => {
  write("\u306a\u305c");
  press("Enter", { isComposing: true });
  press("Enter", { keyCode: 229 });
  press("ArrowUp", { isComposing: true });
  expect(said).toEqual([]);
  expect(composer.box.value).toBe("\u306a\u305c");
});

test("nothing is sent that is empty", () => {
  write(" \n ");
  press("Enter");
  expect(said).toEqual([]);
});

test("while an answer is written the text stays in the box", () => {
  model.events("t", 1, busy(true));
  write("more");
  press("Enter");
  expect(said).toEqual([]);
  expect(composer.box.value).toBe("more");
  expect(shell.toast).toHaveBeenCalledOnce();
});

test("the stop button is there while an answer is written and asks once", async () => {
  const stop = composer.element.querySelector<HTMLButtonElement>(".lm-stop");
  expect(stop?.hidden).toBe(true);
  expect(composer.stopTurn()).toBe(false);
  model.events("t", 1, busy(true));
  expect(stop?.hidden).toBe(false);
  stop?.click();
  composer.stopTurn();
  expect(model.count("stop")).toBe(1);
  await model.reply(model.last("stop"));
  model.events("t", 2, busy(false, "cancelled"));
  expect(stop?.hidden).toBe(true);
});

test("arrows recall what was said and give back what was being written", () => {
  press("ArrowUp");
  expect(composer.box.value).toBe("second");
  press("ArrowUp");
  press("ArrowUp");
  expect(composer.box.value).toBe("first");
  press("ArrowDown");
  expect(composer.box.value).toBe("second");
  press("ArrowDown");
  expect(composer.box.value).toBe("");
});

test("arrows move in a text that is being written", () => {
  write("line one\nline two");
  expect(press("ArrowUp").defaultPrevented).toBe(false);
  expect(press("ArrowDown").defaultPrevented).toBe(false);
  expect(composer.box.value).toBe("line one\nline two");
});

test("each thread keeps its own draft", () => {
  write("for t");
  model.set("active", "u");
  expect(composer.box.value).toBe("");
  write("for u");
  model.set("active", "t");
  expect(composer.box.value).toBe("for t");
});

test("a quick prompt is said", () => {
  composer.element.querySelector<HTMLButtonElement>(".lm-chip")?.click();
  expect(said).toEqual(["Why did 37 jobs fail?"]);
});

test("model, tokens, cost and budget are shown", () => {
  const facts = composer.element.querySelector(".lm-facts");
  expect([...(facts?.children ?? [])].map((one) => one.textContent)).toEqual([
    "small",
    "1,234 tokens",
    "cost 0.012",
    "1,200 tokens left today",
  ]);
  expect(facts?.lastElementChild?.getAttribute("title")).toContain("9 calls this run");
  model.set("overview", { model: "", how_to_configure: "Set LLM_SCHEDULER_MODEL." });
  expect(facts?.textContent).toContain("No model: the rules answer.");
  facts?.querySelector("button")?.click();
  expect(shell.toast).toHaveBeenCalledWith("Set LLM_SCHEDULER_MODEL.");
});

test.each([
  ["left: 0.50 money this run", "budget: 0.50 left this run"],
  ["left: 3 calls today", "3 calls left today"],
  ["something else", "budget left: something else"],
])("of the budget %s the box says %s", (left, words) => {
  model.set("overview", { model: "small", budget_left: left });
  expect(composer.element.querySelector(".lm-facts")?.lastElementChild?.textContent).toBe(words);
});

test("a closed run is said to be closed, as long as it is", () => {
  const note = composer.element.querySelector<HTMLElement>(".lm-closed");
  expect(note?.hidden).toBe(true);
  model.set("overview", { is_closed: true });
  expect(note?.hidden).toBe(false);
  expect(note?.textContent).toMatch(/run is closed/);
  model.set("overview", { is_closed: false });
  expect(note?.hidden).toBe(true);
});

test("a kernel that does not answer is said to be busy, and that it is gone", async () => {
  const hint = composer.element.querySelector(".lm-hint");
  model.events("t", 1, busy(true));
  composer.stopTurn();
  await vi.advanceTimersByTimeAsync(2000);
  expect(hint?.textContent).toMatch(/kernel is busy/);
  await model.reply(model.last("stop"));
  expect(hint?.textContent).toMatch(/Enter sends/);
  model.fire("comm_live_update");
  expect(hint?.textContent).toMatch(/kernel is gone/);
  expect(composer.box.disabled).toBe(true);
});

// -- completion ----------------------------------------------------------------------

async function complete(text: string, choices: string[], about = {}): Promise<HTMLElement[]> {
  write(text);
  await vi.advanceTimersByTimeAsync(100);
  await model.reply(model.last("complete"), { choices, about });
  return [...composer.element.querySelectorAll<HTMLElement>("[role=option]")];
}

test("words that can be completed", () => {
  expect(wordToComplete("see @jo", 7)).toEqual({ word: "@jo", start: 4 });
  expect(wordToComplete("/he", 3)).toEqual({ word: "/he", start: 0 });
  expect(wordToComplete("/fix ", 5)).toEqual({ word: "", start: 5 });
  expect(wordToComplete("/diagnose 2", 11)).toEqual({ word: "2", start: 10 });
  expect(wordToComplete("see /he", 7)).toBeNull();
  expect(wordToComplete("me@a.example", 12)).toBeNull();
  expect(wordToComplete("see @job:12 and", 15)).toBeNull();
});

test("choosing with keys puts the choice in, and Enter does not send", async () => {
  const options = await complete("why @jo", ["@job:20", "@job:27"]);
  expect(options.map((one) => one.textContent)).toEqual(["@job:20", "@job:27"]);
  const list = composer.element.querySelector<HTMLElement>("[role=listbox]");
  expect(list?.hidden).toBe(false);
  press("ArrowDown");
  expect(composer.box.getAttribute("aria-activedescendant")).toBe(options[1]?.id);
  press("Enter");
  expect(composer.box.value).toBe("why @job:27 ");
  expect(said).toEqual([]);
  expect(list?.hidden).toBe(true);
  expect(composer.box.hasAttribute("aria-activedescendant")).toBe(false);
});

test("what is whole already is sent by Enter", async () => {
  await complete("/help", ["/help"]);
  press("Enter");
  expect(said).toEqual(["/help"]);
});

test("a command says what it does, and what it does is not put in", async () => {
  const options = await complete("/", ["/help", "/jobs"], { "/help": "list <b>commands</b>", "/jobs": 3 });
  expect(options.map((one) => one.textContent)).toEqual(["/help list <b>commands</b>", "/jobs"]);
  expect(composer.element.querySelector("b")).toBeNull();
  press("Tab");
  expect(composer.box.value).toBe("/help ");
});

test("Esc closes the list and does not stop anything; it stays closed for the word", async () => {
  await complete("@jo", ["@job:20"]);
  expect(press("Escape").defaultPrevented).toBe(true);
  const list = composer.element.querySelector<HTMLElement>("[role=listbox]");
  expect(list?.hidden).toBe(true);
  write("@jo");
  await vi.advanceTimersByTimeAsync(100);
  expect(model.count("complete")).toBe(1);
});

test("an answer for what is no longer written is passed over", async () => {
  write("@jo");
  await vi.advanceTimersByTimeAsync(100);
  const late = model.last("complete");
  write("@jox");
  await model.reply(late, { choices: ["@job:20"] });
  expect(composer.element.querySelectorAll("[role=option]")).toHaveLength(0);
});

test("choices are text, whatever a file is called", async () => {
  const options = await complete("@f", ["@<img src=x onerror=alert(1)>"]);
  expect(options[0]?.childElementCount).toBe(0);
});

// -- drag and drop -------------------------------------------------------------------

test("several lines are put in as code, coloured output without its colours", () => {
  expect(droppedText("one line")).toBe("one line");
  expect(droppedText("\u001b[31mValueError\u001b[0m: x\r\n  at y")).toBe(
    "\n```\nValueError: x\n  at y\n```\n",
  );
  expect(droppedText("a\n```\nb")).toBe("\n````\na\n```\nb\n````\n");
  expect(droppedText("x\n".repeat(50_000)).length).toBeLessThan(21_000);
});

test("a cell that failed gives its error, another its source", () => {
  const failed = { source: "f()", outputs: [{ output_type: "error", traceback: ["Trace", "ValueError"] }] };
  expect(cellText([failed])).toBe("Trace\nValueError");
  expect(cellText([{ source: ["a\n", "b"], outputs: [] }])).toBe("a\nb");
  expect(cellText("nonsense")).toBe("");
});

/** A drag of the notebook's own over an element; whether it was taken. */
function dragCells(target: Element, step: string, mime: string, data: unknown): boolean {
  const event = Object.assign(new Event(`lm-${step}`, { bubbles: true, cancelable: true }), {
    mimeData: { getData: (wanted: string) => (wanted === mime ? data : undefined) },
    dropAction: "none",
  });
  target.dispatchEvent(event);
  expect(event.dropAction).toBe(event.defaultPrevented ? "copy" : "none");
  return event.defaultPrevented;
}

test("a cell dragged from the notebook is put into the box, and not moved by the notebook", () => {
  const mime = "application/vnd.jupyter.cells";
  const cells = [{ outputs: [{ output_type: "error", traceback: ["E", "F"] }] }];
  // The notebook is around the panel, and listens before what is in it.
  const notebook = document.createElement("div");
  const seen = vi.fn();
  for (const step of ["dragenter", "dragover", "drop"]) {
    notebook.addEventListener(`lm-${step}`, seen, true);
  }
  document.body.append(notebook);
  notebook.append(composer.element);
  const frame = composer.box.parentElement;
  const isMarked = () => frame?.classList.contains("lm-drop");

  expect(dragCells(composer.box, "dragenter", mime, cells)).toBe(true);
  expect(isMarked()).toBe(true);
  expect(dragCells(composer.box, "dragleave", mime, cells)).toBe(false);
  expect(isMarked()).toBe(false);
  expect(dragCells(composer.box, "dragover", mime, cells)).toBe(true);
  expect(dragCells(composer.box, "drop", mime, cells)).toBe(true);
  expect(isMarked()).toBe(false);
  expect(composer.box.value).toBe("```\nE\nF\n```\n");
  expect(seen).not.toHaveBeenCalled();

  // Beside the box the notebook moves its cells; files and tabs are nothing to insert.
  expect(dragCells(notebook, "drop", mime, cells)).toBe(false);
  expect(dragCells(composer.box, "drop", "application/vnd.lumino.widget-factory", {})).toBe(false);
  composer.dispose();
  expect(dragCells(composer.box, "drop", mime, cells)).toBe(false);
  expect(seen).toHaveBeenCalledTimes(3);
  expect(composer.box.value).toBe("```\nE\nF\n```\n");
});

test("what is written before there is a conversation goes along to the first one", () => {
  model.set("active", "");
  write("Why did");
  composer.box.setSelectionRange(3, 3);
  model.set("active", "new");
  expect(composer.box.value).toBe("Why did");
  expect(composer.box.selectionStart).toBe(3);
  model.set("active", "t");
  expect(composer.box.value).toBe("");
  model.set("active", "new");
  expect(composer.box.value).toBe("Why did");
});

test("what is written before there is a conversation does not give way to a draft in it", () => {
  write("An old draft");
  model.set("active", "");
  write("Why did");
  model.set("active", "t");
  expect(composer.box.value).toBe("An old draft\nWhy did");
  model.set("active", "");
  expect(composer.box.value).toBe("");
});
