import { createTwoFilesPatch } from "diff";
import { describe, expect, test } from "vitest";

import { countChanges, describeFile, parseDiff, type FileDiff } from "../src/diff_parse";
import { compareWords, foldContext, makeRows } from "../src/diff_rows";
import { makeRandom } from "./random";

// Lines that look like parts of a diff are the ones that confuse parsers.
const LINES = [
  "", " ", "a", "b", "x = 1", "    return x", "-- a", "++ b", "- a", "+ b", "-", "+", "@@ -1 +1 @@",
  "diff --git a b", "rename from x", "\\ No newline at end of file", "--- a", "+++ b", "old mode 1",
];

function randomText(random: (below: number) => number): string {
  const lines = Array.from({ length: random(30) }, () => LINES[random(LINES.length)] ?? "");
  return lines.join("\n") + (lines.length && random(3) ? "\n" : "");
}

/** The text of one side, as far as the diff shows it. */
function sideOf(file: FileDiff, side: "old" | "new"): string {
  const other = side === "old" ? "add" : "remove";
  const lines = file.hunks.flatMap((hunk) => hunk.lines).filter((line) => line.kind !== other);
  return lines.map((line) => line.text + (line.isUnended ? "" : "\n")).join("");
}

describe("a diff with all of its context", () => {
  test.each(Array.from({ length: 300 }, (_, seed) => seed))("gives both texts back (%i)", (seed) => {
    const random = makeRandom(seed);
    const [before, after] = [randomText(random), randomText(random)];
    const patch = createTwoFilesPatch("a.py", "b.py", before, after, "", "", { context: 1000 });
    const files = parseDiff(patch.replace(/^=+\n/u, ""));
    if (before === after) {
      expect(files.flatMap((file) => file.hunks)).toEqual([]);
      return;
    }
    expect(files).toHaveLength(1);
    const [file] = files as [FileDiff];
    expect([file.oldPath, file.newPath, file.notes]).toEqual(["a.py", "b.py", []]);
    expect(sideOf(file, "old")).toBe(before);
    expect(sideOf(file, "new")).toBe(after);
  });
});

test.each(Array.from({ length: 100 }, (_, seed) => seed))("line numbers are true (%i)", (seed) => {
  const random = makeRandom(seed + 1000);
  const [before, after] = [randomText(random), randomText(random)];
  const patch = createTwoFilesPatch("a", "b", before, after, "", "", { context: 1 });
  const [oldLines, newLines] = [before.split("\n"), after.split("\n")];
  for (const line of parseDiff(patch).flatMap((file) => file.hunks.flatMap((hunk) => hunk.lines))) {
    if (line.oldNumber) expect(oldLines[line.oldNumber - 1]).toBe(line.text);
    if (line.newNumber) expect(newLines[line.newNumber - 1]).toBe(line.text);
    expect(line.oldNumber + line.newNumber).toBeGreaterThan(0);
  }
});

test.each(Array.from({ length: 300 }, (_, seed) => seed))("no line is lost (%i)", (seed) => {
  const random = makeRandom(seed + 2000);
  const extra = [...LINES, "--- a/x", "+++ b/x", "@@ -1,2 +1,3 @@ def f():", "+ folder x/", "@@"];
  const lines = Array.from({ length: random(40) }, () => extra[random(extra.length)] ?? "");
  const files = parseDiff(lines.join("\n"));
  const shown = files.flatMap((file) => [
    ...(file.oldPath || file.newPath ? [`--- ${file.oldPath}`, `+++ ${file.newPath}`] : []),
    ...file.notes,
    ...file.hunks.flatMap((hunk) => [
      "@@",
      ...hunk.lines.flatMap((line) => [
        { context: " ", add: "+", remove: "-" }[line.kind] + line.text,
        ...(line.isUnended ? ["\\ No newline at end of file"] : []),
      ]),
    ]),
    ...file.tail,
  ]);
  const plain = (all: string[]): string[] =>
    all.map((line) => (line.startsWith("@@ ") ? "@@" : line.trimEnd())).filter(Boolean).sort();
  // Two notes on one missing line break say one thing.
  const isOnce = (all: string[]): string[] => all.filter((line) => !line.startsWith("\\"));
  expect(isOnce(plain(shown))).toEqual(isOnce(plain(lines)));
});

test("several files, renames, modes and folders stand apart", () => {
  const files = parseDiff(
    "rename from /a\nrename to /b\n+ folder /c/\n" +
      "old mode 644\nnew mode 755\n--- /d\n+++ /d\n@@ -1 +1 @@\n-x\n+y\n" +
      "--- /dev/null\n+++ /e\n@@ -0,0 +1,2 @@\n+1\n+2\n" +
      "--- /f\n+++ /dev/null\nBinary content differs (3 bytes).\n",
  );
  expect(files.map((file) => [file.notes, describeFile(file)])).toEqual([
    [["rename from /a", "rename to /b"], { path: "", change: "" }],
    [["+ folder /c/"], { path: "", change: "" }],
    [["old mode 644", "new mode 755"], { path: "/d", change: "" }],
    [[], { path: "/e", change: "new file" }],
    [["Binary content differs (3 bytes)."], { path: "/f", change: "deleted" }],
  ]);
  expect(countChanges(files)).toEqual({ added: 3, removed: 1 });
});

test.each(Array.from({ length: 100 }, (_, seed) => seed))("rows hold every line once (%i)", (seed) => {
  const random = makeRandom(seed + 3000);
  const patch = createTwoFilesPatch("a", "b", randomText(random), randomText(random));
  for (const hunk of parseDiff(patch).flatMap((file) => file.hunks)) {
    const { lines, pairs } = makeRows(hunk);
    expect(lines.map((line) => line.text)).toEqual(hunk.lines.map((line) => line.text));
    const left = pairs.flatMap((pair) => (pair.left ? [pair.left] : []));
    const right = pairs.flatMap((pair) => (pair.right ? [pair.right] : []));
    expect(left).toEqual(lines.filter((line) => line.kind !== "add"));
    expect(right).toEqual(lines.filter((line) => line.kind !== "remove"));
    const folded = foldContext(pairs, (pair) => pair.left === pair.right);
    expect(folded.flatMap((segment) => segment.rows)).toEqual(pairs);
  }
});

test("long unchanged stretches are folded, short ones and all changes are not", () => {
  const rows = [..."c".repeat(20), "x", ..."c".repeat(9), "x", ..."c".repeat(10), "x"];
  const segments = foldContext(rows, (row) => row === "c");
  expect(segments.map((each) => (each.isFolded ? -each.rows.length : each.rows.length))).toEqual([
    -17, 17, -4, 4,
  ]);
});

describe("words", () => {
  test("only those that differ are marked", () => {
    expect(compareWords("x = np.zeros(n, float64)", "x = np.ones(n, float64)")).toEqual({
      before: [{ start: 7, end: 12 }],
      after: [{ start: 7, end: 11 }],
    });
  });

  test.each([
    ["nothing in common", "aaa bbb", "ccc,ddd"],
    ["lines too long to compare", "a ".repeat(1000), "a ".repeat(1001)],
  ])("none are marked: %s", (_, before, after) => {
    expect(compareWords(before, after)).toBeNull();
  });
});
