import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { DiffView } from "../src/diff";
import { buttonOf } from "./shell";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

const EDIT =
  "--- /a.py\n+++ /a.py\n@@ -1,3 +1,3 @@ def f():\n import os\n-x = 'old'  # <img src=x onerror=alert(1)>\n" +
  "+x = 'new'  # <img src=x onerror=alert(1)>\n y = 2\n@@ -50 +50 @@\n-</div><script>a()</script>\n+b\n";

function rows(view: DiffView): string[] {
  return [...view.element.querySelectorAll(".lm-diff-row")].map((row) => row.textContent);
}

function drawn(diff: string): DiffView {
  const view = new DiffView(diff);
  vi.runAllTimers();
  return view;
}

test("lines are shown as text, with the words that differ marked", () => {
  const view = drawn(EDIT);
  expect(rows(view)).toEqual([
    "import os",
    "removed: x = 'old'  # <img src=x onerror=alert(1)>",
    "added: x = 'new'  # <img src=x onerror=alert(1)>",
    "y = 2",
    "removed: </div><script>a()</script>",
    "added: b",
  ]);
  expect(view.element.querySelector("img, script")).toBeNull();
  const marks = [...view.element.querySelectorAll(".lm-mark")].map((mark) => mark.textContent);
  expect(marks).toEqual(["old", "new"]);
  expect(view.element.querySelector(".lm-diff-count")?.textContent).toBe("+2 −2");
  const gaps = [...view.element.querySelectorAll(".lm-diff-gap")].map((gap) => gap.textContent);
  expect(gaps).toEqual(["def f():", "46 unchanged lines not shown"]);
  view.dispose();
});

test("side by side shows the same lines beside each other", () => {
  const view = drawn(EDIT);
  buttonOf(view.element, "Show side by side").click();
  vi.runAllTimers();
  const halves = [...view.element.querySelectorAll(".lm-diff-pair")].map((row) =>
    [...row.children].map((half) => half.querySelector(".lm-diff-code")?.textContent),
  );
  expect(halves[0]).toEqual(["import os", "import os"]);
  expect(halves.at(-1)).toEqual(["removed: </div><script>a()</script>", "added: b"]);
  buttonOf(view.element, "Show unified").click();
  vi.runAllTimers();
  expect(rows(view)).toHaveLength(6);
  view.dispose();
});

test("file names are text and say what happens to the file", () => {
  const name = "/x<svg onload=alert(1)>.py";
  const view = drawn(`--- /dev/null\n+++ ${name}\n@@ -0,0 +1 @@\n+a\n`);
  expect(view.element.querySelector(".lm-diff-head")?.textContent).toBe(`${name}new file`);
  expect(view.element.querySelector("svg")).toBeNull();
});

test("folded lines appear when asked for", () => {
  const context = Array.from({ length: 40 }, (_, i) => ` c${String(i)}\n`).join("");
  const view = drawn(`--- a\n+++ a\n@@ -1,40 +1,41 @@\n${context}+new\n`);
  expect(rows(view)).toHaveLength(4);
  buttonOf(view.element, "Show 37 unchanged lines").click();
  expect(rows(view)).toHaveLength(41);
  expect(rows(view)[0]).toBe("c0");
});

test("a huge diff is drawn in pieces, and beyond a limit on demand; nothing is lost", () => {
  const n = 5_300;
  const lines = Array.from({ length: n }, (_, i) => `+line ${String(i)}\n`).join("");
  const view = new DiffView(`--- /dev/null\n+++ big.txt\n@@ -0,0 +1,${String(n)} @@\n${lines}`);
  const count = (): number => view.element.getElementsByClassName("lm-diff-row").length;
  // What happens at once is little, so that the page does not freeze.
  expect(count()).toBeLessThanOrEqual(200);
  vi.runAllTimers();
  expect(count()).toBe(5000);
  buttonOf(view.element, "Show the rest of the changes").click();
  vi.runAllTimers();
  expect(count()).toBe(n);
  const last = view.element.querySelector(".lm-diff-chunk:last-child > :last-child");
  expect(last?.textContent).toBe(`added: line ${String(n - 1)}`);
}, 60_000);

test("a very long line is cut until the rest is asked for", () => {
  const line = "x".repeat(10_000);
  const view = drawn(`--- a\n+++ a\n@@ -1 +1 @@\n-a\n+${line}\n`);
  buttonOf(view.element, "Show 6,000 more characters").click();
  expect(rows(view)[1]).toBe(`added: ${line}`);
});

test("what is not a diff is shown as it is", () => {
  expect(drawn("Binary content differs (3 bytes and 4 bytes).").element.textContent).toContain(
    "Binary content differs (3 bytes and 4 bytes).",
  );
});

test("a remark after the lines stands after them", () => {
  const view = drawn("--- a\n+++ a\n@@ -1 +1,5 @@\n-a\n+b\n\\ 4 more lines are not shown here\n");
  expect(view.element.textContent.endsWith("added: b\\ 4 more lines are not shown here")).toBe(true);
});
