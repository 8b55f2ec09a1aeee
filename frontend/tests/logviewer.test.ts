import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { formatSize, LogViewer } from "../src/logviewer";
import { Store } from "../src/store";
import type { LogLine, LogPage } from "../src/wire";
import { FakeModel, settled } from "./fake_model";
import { buttonOf, fakeShell, press } from "./shell";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

const LINE_BYTES = 10;

function line(index: number): LogLine {
  const offset = index * LINE_BYTES;
  return { number: index + 1, offset, text: `line ${String(index)}`, is_cut: false, is_rest: false };
}

/** Lines `from` to before `to` of a log with `n` lines. */
function page(from: number, to: number, n: number, more: Partial<LogPage> = {}): LogPage {
  return {
    file: "/l.out",
    lines: Array.from({ length: to - from }, (_, i) => line(from + i)),
    begin: from * LINE_BYTES,
    end: to * LINE_BYTES,
    size: n * LINE_BYTES,
    found: -1,
    after: -1,
    is_searching: false,
    problem: "",
    ...more,
  };
}

/** A viewer; jsdom has no layout, so each row is 20 pixels high here. */
function opened() {
  const model = new FakeModel();
  const shell = fakeShell();
  const viewer = new LogViewer(new Store(model), shell);
  shell.root.append(viewer.element);
  const scroller = viewer.element.querySelector<HTMLElement>(".lm-log-lines");
  if (!scroller) throw new Error("no lines");
  const rowHeight = 20;
  vi.spyOn(HTMLElement.prototype, "offsetTop", "get").mockImplementation(function (this: HTMLElement) {
    const first = scroller.firstElementChild as HTMLElement | null;
    return (Number(this.dataset["n"]) - Number(first?.dataset["n"])) * rowHeight;
  });
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(rowHeight);
  vi.spyOn(scroller, "clientHeight", "get").mockReturnValue(400);
  vi.spyOn(scroller, "scrollHeight", "get").mockImplementation(() => scroller.children.length * rowHeight);
  const scroll = async (top: number): Promise<void> => {
    scroller.scrollTop = top;
    scroller.dispatchEvent(new Event("scroll"));
    await settled();
  };
  const top = (): string | null | undefined => scroller.children[scroller.scrollTop / rowHeight]?.textContent;
  return { model, shell, viewer, scroller, scroll, top };
}

afterEach(() => { vi.restoreAllMocks(); });

test("a log opens at a line, which is marked and in view", async () => {
  const { model, viewer, scroller } = opened();
  expect(viewer.element.hidden).toBe(true);
  viewer.open("/l.out", 500);
  expect(viewer.element.hidden).toBe(false);
  expect(model.last("read_log")).toMatchObject({ file: "/l.out", line: 500 });
  await model.reply(model.last("read_log"), page(400, 600, 9000));
  expect(scroller.querySelector(".lm-log-target")?.textContent).toBe("line 499");
  expect(scroller.scrollTop).toBeGreaterThan(90 * 20);
  expect(scroller.scrollTop).toBeLessThan(99 * 20);
});

test("without a line it opens at the end", async () => {
  const { model, viewer } = opened();
  viewer.open("/l.out");
  expect(model.last("read_log")).toMatchObject({ offset: -1 });
  await model.reply(model.last("read_log"), page(10, 20, 20));
  expect(viewer.element.querySelector(".lm-log-foot")?.textContent).toContain("200 B");
});

test("lines are text", async () => {
  const { model, viewer, scroller } = opened();
  viewer.open("/<img src=x>.out");
  const bad = { ...line(0), text: "<script>alert(1)</script><img src=//evil>" };
  await model.reply(model.last("read_log"), page(0, 0, 1, { lines: [bad] }));
  expect(scroller.textContent).toBe(bad.text);
  expect(viewer.element.querySelector("script, img")).toBeNull();
});

// Thousands of rows take seconds in jsdom where the machine is busy.
test("scrolling reads on, keeps the place, and never more than a bound of lines", async () => {
  const { model, viewer, scroller, scroll, top } = opened();
  const n = 10_000;
  viewer.open("/l.out", 1);
  await model.reply(model.last("read_log"), page(0, 200, n));
  let end = 200;
  while (end < 2200) {
    await scroll(scroller.scrollHeight - 500);
    const seen = top();
    const request = model.last("read_log");
    expect(request).toMatchObject({ offset: end * LINE_BYTES });
    await model.reply(request, page(end, end + 200, n));
    end += 200;
    expect(top()).toBe(seen);
    expect(scroller.children.length).toBeLessThanOrEqual(1500);
  }
  expect(scroller.lastElementChild?.textContent).toBe("line 2199");
  let begin = 700;
  expect(scroller.firstElementChild?.textContent).toBe(`line ${String(begin)}`);
  while (begin > 300) {
    await scroll(100);
    const seen = top();
    const request = model.last("read_log");
    expect(request).toMatchObject({ offset: begin * LINE_BYTES, backwards: true });
    await model.reply(request, page(begin - 200, begin, n));
    begin -= 200;
    expect(top()).toBe(seen);
  }
  // What was dropped at the end is read again.
  await scroll(scroller.scrollHeight - 500);
  expect(model.last("read_log")).toMatchObject({ offset: (begin + 1500) * LINE_BYTES });
}, 60_000);

test("one request at a time, and none beyond the ends", async () => {
  const { model, viewer, scroll } = opened();
  viewer.open("/l.out", 1);
  await model.reply(model.last("read_log"), page(0, 30, 40));
  await scroll(200);
  await scroll(190);
  expect(model.count("read_log")).toBe(2);
  await model.reply(model.last("read_log"), page(30, 40, 40));
  await scroll(400);
  expect(model.count("read_log")).toBe(2);
});

test("an answer for a place that was left is not shown", async () => {
  const { model, viewer, scroller } = opened();
  viewer.open("/l.out", 5000);
  const slow = model.last("read_log");
  viewer.open("/other.out", 1);
  await model.reply(model.last("read_log"), page(0, 3, 3));
  await model.reply(slow, page(4900, 5100, 9000));
  expect(scroller.firstElementChild?.textContent).toBe("line 0");
});

test("a log that was closed opens where it was left", async () => {
  const { model, viewer, scroller, scroll, top } = opened();
  viewer.open("/l.out", 1);
  await model.reply(model.last("read_log"), page(0, 200, 9000));
  await scroll(50 * 20);
  viewer.close();
  expect(viewer.element.hidden).toBe(true);
  viewer.open("/l.out");
  expect(model.last("read_log")).toMatchObject({ offset: 50 * LINE_BYTES });
  await model.reply(model.last("read_log"), page(50, 250, 9000));
  expect(top()).toBe("line 50");
  expect(scroller.scrollTop).toBe(0);
});

test("counting the lines of a huge log goes on until the line is there", async () => {
  const { model, viewer, scroller } = opened();
  viewer.open("/l.out", 4000);
  const counting = { begin: 0, is_searching: true };
  await model.reply(model.last("read_log"), page(0, 0, 8000, { ...counting, end: 100 }));
  await model.reply(model.last("read_log"), page(0, 0, 8000, { ...counting, end: 20_000 }));
  expect(viewer.element.querySelector(".lm-log-foot")?.textContent).toBe("Counting lines … 25 %");
  await model.reply(model.last("read_log"), page(3900, 4100, 8000));
  expect(scroller.querySelector(".lm-log-target")?.textContent).toBe("line 3999");
});

test("counting that gets nowhere ends", async () => {
  const { model, viewer } = opened();
  viewer.open("/l.out", 4000);
  for (let i = 0; i < 2; i += 1) {
    await model.reply(model.last("read_log"), page(0, 0, 8, { is_searching: true, end: 50 }));
  }
  expect(model.count("read_log")).toBe(2);
});

test.each([["12", 12], ["1,000", 1000], ["x", 0], ["0", 0], ["-3", 0]])("go to line %s", async (text, wanted) => {
  const { model, viewer } = opened();
  viewer.open("/l.out");
  await model.reply(model.last("read_log"), page(0, 3, 3));
  const input = viewer.element.querySelector<HTMLInputElement>("[aria-label='Go to line']");
  if (!input) throw new Error("no box");
  input.value = text;
  press(input, "Enter");
  expect(model.count("read_log")).toBe(wanted ? 2 : 1);
  if (wanted) expect(model.last("read_log")).toMatchObject({ line: wanted });
});

async function searched(text: string) {
  const all = opened();
  all.viewer.open("/l.out", 1);
  await all.model.reply(all.model.last("read_log"), page(0, 200, 9000));
  const input = all.viewer.element.querySelector<HTMLInputElement>("[aria-label='Search the log']");
  if (!input) throw new Error("no box");
  input.value = text;
  press(input, "Enter");
  const note = (): string | null | undefined => all.viewer.element.querySelector(".lm-log-found")?.textContent;
  return { ...all, input, note };
}

test("search goes on in slices, shows how far it is, and marks what it found", async () => {
  const { model, scroller, note } = await searched("LINE 700");
  expect(model.last("search_log")).toMatchObject({ text: "LINE 700", offset: 0, backwards: false });
  const slice = { is_searching: true, begin: 45_000, end: 45_000 };
  await model.reply(model.last("search_log"), page(0, 0, 9000, slice));
  expect(model.last("search_log")).toMatchObject({ offset: 45_000 });
  expect(note()).toBe("Searching … at 50 %");
  await model.reply(model.last("search_log"), page(6900, 7100, 9000, { found: 70_000 }));
  expect(note()).toBe("Line 7,001");
  expect(scroller.querySelector(".lm-log-target mark")?.textContent).toBe("line 700");
});

test("next goes on after the match, previous before it", async () => {
  const { model, input, viewer } = await searched("5");
  await model.reply(model.last("search_log"), page(0, 200, 9000, { found: 50, after: 60 }));
  press(input, "Enter");
  expect(model.last("search_log")).toMatchObject({ offset: 60, backwards: false });
  await model.reply(model.last("search_log"), page(0, 200, 9000, { found: 150, after: 160 }));
  buttonOf(viewer.element, "Previous match").click();
  expect(model.last("search_log")).toMatchObject({ offset: 150, backwards: true });
});

test("what is found deep in a long line is shown, marked, and said where it is", async () => {
  const { model, scroller, note } = await searched("needle");
  const pieces = [0, 1, 2].map((i) => ({
    number: 1, offset: 44_000 + i * 4000, text: `piece ${String(i)}`, is_cut: true, is_rest: true,
  }));
  const [, piece] = pieces;
  if (piece) piece.text = "a needle in it";
  const found = { begin: 44_000, end: 56_000, found: 48_000, after: 52_000, lines: pieces };
  await model.reply(model.last("search_log"), page(0, 0, 9600, found));
  expect(note()).toBe("Line 1, 50 % into the log");
  expect(scroller.querySelector(".lm-log-target mark")?.textContent).toBe("needle");
  expect(scroller.querySelector("[data-n]")).toBeNull();
});

test("at the end it says so, and begins at the other end next time", async () => {
  const { model, input, note } = await searched("nowhere");
  await model.reply(model.last("search_log"), page(0, 0, 9000, { begin: 90_000, end: 90_000 }));
  expect(note()).toBe("Nothing more up to the end; search again from the start.");
  press(input, "Enter");
  expect(model.last("search_log")).toMatchObject({ offset: 0 });
});

test("a search can be stopped, and one that gets nowhere stops itself", async () => {
  const { model, viewer, input } = await searched("x");
  const slice = page(0, 0, 9000, { is_searching: true, end: 10 });
  buttonOf(viewer.element, "Stop searching").click();
  await model.reply(model.last("search_log"), slice);
  expect(model.count("search_log")).toBe(1);
  press(input, "Enter");
  await model.reply(model.last("search_log"), slice);
  await model.reply(model.last("search_log"), slice);
  expect(model.count("search_log")).toBe(3);
});

test("following reads what is written, and replaces a line that was half written", async () => {
  const { model, viewer, scroller } = opened();
  viewer.open("/l.out");
  await model.reply(model.last("read_log"), page(0, 3, 3));
  const follow = viewer.element.querySelector<HTMLInputElement>("[type=checkbox]");
  follow?.click();
  await model.reply(model.last("read_log"), page(0, 3, 3));
  vi.advanceTimersByTime(1500);
  expect(model.last("read_log")).toMatchObject({ offset: 20 });
  const whole = { ...line(2), text: "line 2, all of it" };
  await model.reply(model.last("read_log"), page(2, 5, 5, { lines: [whole, line(3), line(4)] }));
  const texts = [...scroller.children].map((row) => row.textContent);
  expect(texts).toEqual(["line 0", "line 1", "line 2, all of it", "line 3", "line 4"]);
  viewer.close();
  const n = model.count("read_log");
  vi.advanceTimersByTime(10_000);
  expect(model.count("read_log")).toBe(n);
});

test("a log that vanishes while it is read keeps what is in view, and says so", async () => {
  const { model, viewer, scroller, scroll } = opened();
  viewer.open("/l.out", 1);
  await model.reply(model.last("read_log"), page(0, 30, 400));
  await scroll(200);
  const gone = { begin: 0, end: 0, size: 0, problem: "/l.out: can't be opened" };
  await model.reply(model.last("read_log"), page(0, 0, 0, gone));
  expect(viewer.element.querySelector("[role=alert]")?.textContent).toBe(gone.problem);
  expect(scroller.children.length).toBe(30);
  await scroll(210);
  expect(model.count("read_log")).toBe(2);
});

test("a log that is written anew is followed from its new end", async () => {
  const { model, viewer, scroller } = opened();
  viewer.open("/l.out");
  await model.reply(model.last("read_log"), page(0, 30, 30));
  viewer.element.querySelector<HTMLInputElement>("[type=checkbox]")?.click();
  await model.reply(model.last("read_log"), page(0, 30, 30));
  vi.advanceTimersByTime(1500);
  await model.reply(model.last("read_log"), page(0, 0, 2));
  expect(model.last("read_log")).toMatchObject({ offset: -1, backwards: true });
  await model.reply(model.last("read_log"), page(0, 2, 2));
  expect([...scroller.children].map((row) => row.textContent)).toEqual(["line 0", "line 1"]);
});

test("Escape closes it, and the focus goes back", () => {
  const { viewer, shell } = opened();
  const opener = document.createElement("button");
  const below = document.createElement("div");
  below.className = "lm-body";
  below.append(opener);
  shell.root.append(below);
  opener.focus();
  viewer.open("/l.out", 3);
  expect(below.hasAttribute("inert")).toBe(true);
  press(document.activeElement, "Escape");
  expect(viewer.element.hidden).toBe(true);
  expect(below.hasAttribute("inert")).toBe(false);
  expect(document.activeElement).toBe(opener);
});

test("a log that can't be read says why", async () => {
  const { model, viewer } = opened();
  viewer.open("/l.out");
  await model.refuse(model.last("read_log"), "The file is gone.");
  expect(viewer.element.querySelector("[role=alert]")?.textContent).toBe("The file is gone.");
});

test.each([[0, "0 B"], [999, "999 B"], [1000, "1.0 kB"], [123_456, "123 kB"], [3.2e9, "3.2 GB"]])(
  "%i bytes are %s",
  (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  },
);
