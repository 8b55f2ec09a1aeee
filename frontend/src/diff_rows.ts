// What stands beside what in a diff, and which words of two lines differ.

import { diffArrays } from "diff";

import type { DiffLine, Hunk } from "./diff_parse";

/** A part of a line, from `start` to before `end`. */
export interface Range {
  start: number;
  end: number;
}

/** A line as it is drawn; `partner` is the one that it replaces or that replaces it. */
export interface MarkedLine extends DiffLine {
  partner: MarkedLine | null;
}

/** Two lines beside each other; context is the same on both sides. */
export interface Pair {
  left: MarkedLine | null;
  right: MarkedLine | null;
}

const MAX_COMPARED_CHARS = 2000;
const MAX_EDITS = 200;
// With less in common, marks are noise: the lines are simply others.
const MIN_COMMON = 0.35;

/** The lines of a hunk in their order, and the same lines beside each other. */
export interface Rows {
  lines: MarkedLine[];
  pairs: Pair[];
}

/** Put removed lines beside the added ones that replace them. */
export function makeRows(hunk: Hunk): Rows {
  const lines = hunk.lines.map((line): MarkedLine => ({ ...line, partner: null }));
  const pairs: Pair[] = [];
  let removed: MarkedLine[] = [];
  let added: MarkedLine[] = [];
  const flush = (): void => {
    for (let i = 0; i < Math.max(removed.length, added.length); i += 1) {
      const pair = { left: removed[i] ?? null, right: added[i] ?? null };
      if (pair.left) pair.left.partner = pair.right;
      if (pair.right) pair.right.partner = pair.left;
      pairs.push(pair);
    }
    removed = [];
    added = [];
  };
  for (const line of lines) {
    if (line.kind === "add") {
      added.push(line);
      continue;
    }
    // What is removed after something was added is another change.
    if (line.kind === "context" || added.length) flush();
    if (line.kind === "remove") removed.push(line);
    else pairs.push({ left: line, right: line });
  }
  flush();
  return { lines, pairs };
}

/** The parts of a line that differ from its partner; found when it is drawn, not before. */
export function marksOf(line: MarkedLine): Range[] {
  if (!line.partner) return [];
  if (line.kind === "remove") return compareWords(line.text, line.partner.text)?.before ?? [];
  return compareWords(line.partner.text, line.text)?.after ?? [];
}

/** The parts of two lines that differ; `null` when too little is the same. */
export function compareWords(
  before: string,
  after: string,
): { before: Range[]; after: Range[] } | null {
  if (before.length + after.length > MAX_COMPARED_CHARS) return null;
  const changes = diffArrays(wordsOf(before), wordsOf(after), { maxEditLength: MAX_EDITS });
  if (!changes) return null;
  const found = { before: [] as Range[], after: [] as Range[] };
  let [atBefore, atAfter, common] = [0, 0, 0];
  for (const change of changes) {
    const text = change.value.join("");
    if (change.removed) {
      found.before.push({ start: atBefore, end: atBefore + text.length });
      atBefore += text.length;
    } else if (change.added) {
      found.after.push({ start: atAfter, end: atAfter + text.length });
      atAfter += text.length;
    } else {
      common += text.trim().length;
      atBefore += text.length;
      atAfter += text.length;
    }
  }
  const shorter = Math.min(before.trim().length, after.trim().length);
  return common >= MIN_COMMON * shorter && common > 0 ? found : null;
}

function wordsOf(text: string): string[] {
  return text.match(/[\p{L}\p{N}_]+|\s+|[^]/gu) ?? [];
}

/** A run of rows, or of unchanged ones that are folded away. */
export interface Segment<T> {
  rows: T[];
  isFolded: boolean;
}

/** Fold long unchanged stretches, but for `margin` rows around each change. */
export function foldContext<T>(
  rows: T[],
  isContext: (row: T) => boolean,
  margin = 3,
): Segment<T>[] {
  const segments: Segment<T>[] = [];
  let shown: T[] = [];
  for (let start = 0; start < rows.length; ) {
    let end = start;
    while (end < rows.length && isContext(rows[end] as T)) end += 1;
    const before = start === 0 ? 0 : margin;
    const after = end === rows.length ? 0 : margin;
    // One line in the place of two or three is no gain.
    if (end - start > before + after + margin) {
      shown.push(...rows.slice(start, start + before));
      if (shown.length) segments.push({ rows: shown, isFolded: false });
      segments.push({ rows: rows.slice(start + before, end - after), isFolded: true });
      shown = rows.slice(end - after, end);
    } else {
      shown.push(...rows.slice(start, end));
    }
    while (end < rows.length && !isContext(rows[end] as T)) shown.push(rows[end++] as T);
    start = end;
  }
  if (shown.length) segments.push({ rows: shown, isFolded: false });
  return segments;
}
