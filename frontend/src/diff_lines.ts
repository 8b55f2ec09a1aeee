// Draws the lines of a diff: numbers, signs, colours of the language, marks of words.

import { button, h } from "./dom";
import { marksOf, type MarkedLine, type Pair, type Range } from "./diff_rows";
import { highlightLines, type Token } from "./highlight";

/** A longer line is shown in part until the rest is asked for. */
const MAX_SHOWN_CHARS = 4000;
const SIGNS = { context: " ", add: "+", remove: "−" } as const;
const WORDS = { context: "", add: "added: ", remove: "removed: " } as const;

type Tokens = Map<MarkedLine, Token[]>;

/** Draw lines below each other. */
export function drawUnified(lines: MarkedLine[], language: string): HTMLElement[] {
  const tokens = colourLines(lines, language);
  return lines.map((line) =>
    h(
      "div",
      { class: `lm-diff-row lm-${line.kind}` },
      numberCell(line.oldNumber),
      numberCell(line.newNumber),
      ...lineCells(line, tokens),
    ),
  );
}

/** Draw old lines left and new lines right. */
export function drawPairs(pairs: Pair[], language: string): HTMLElement[] {
  const lines = pairs.flatMap(({ left, right }) => (left === right ? [left] : [left, right]));
  const tokens = colourLines(lines.filter((line) => line !== null), language);
  return pairs.map(({ left, right }) =>
    h(
      "div",
      { class: "lm-diff-row lm-diff-pair" },
      halfOf(left, left?.oldNumber ?? 0, tokens),
      halfOf(right, right?.newNumber ?? 0, tokens),
    ),
  );
}

function halfOf(line: MarkedLine | null, number: number, tokens: Tokens): HTMLElement {
  if (!line) return h("div", { class: "lm-diff-half lm-none" });
  return h(
    "div",
    { class: `lm-diff-half lm-${line.kind}` },
    numberCell(number),
    ...lineCells(line, tokens),
  );
}

function numberCell(number: number): HTMLElement {
  // Drawn by the style sheet, so that copied text is code only.
  return h("span", {
    class: "lm-diff-number",
    data: number ? { n: String(number) } : {},
    attr: { "aria-hidden": "true" },
  });
}

function lineCells(line: MarkedLine, tokens: Tokens): HTMLElement[] {
  const sign = h("span", {
    class: "lm-diff-sign",
    data: { sign: SIGNS[line.kind] },
    attr: { "aria-hidden": "true" },
  });
  const code = h("span", { class: "lm-diff-code" });
  // Colours alone say nothing to a screen reader.
  if (WORDS[line.kind]) code.append(h("span", { class: "lm-offscreen" }, WORDS[line.kind]));
  code.append(...codeNodes(line, tokens.get(line)));
  if (line.isUnended) {
    code.append(h("span", { class: "lm-diff-unended" }, " (no line break at the end of the file)"));
  }
  return [sign, code];
}

function codeNodes(line: MarkedLine, tokens: Token[] | undefined): Node[] {
  if (line.text.length <= MAX_SHOWN_CHARS) {
    return markTokens(tokens ?? [{ text: line.text, cls: "" }], marksOf(line));
  }
  const hidden = line.text.length - MAX_SHOWN_CHARS;
  const more = button(`Show ${hidden.toLocaleString("en")} more characters`, () => {
    more.replaceWith(line.text.slice(MAX_SHOWN_CHARS));
  }, { class: "lm-diff-fold" });
  return [document.createTextNode(line.text.slice(0, MAX_SHOWN_CHARS)), more];
}

/** Cut coloured pieces where marks begin and end. */
function markTokens(tokens: Token[], marks: Range[]): Node[] {
  const nodes: Node[] = [];
  let offset = 0;
  let next = 0;
  for (const { text, cls } of tokens) {
    const stop = offset + text.length;
    while (offset < stop) {
      while ((marks[next]?.end ?? Infinity) <= offset) next += 1;
      const mark = marks[next];
      const isMarked = mark !== undefined && mark.start <= offset;
      const end = Math.min(stop, isMarked ? mark.end : (mark?.start ?? stop));
      const begin = stop - text.length;
      nodes.push(pieceOf(text.slice(offset - begin, end - begin), cls, isMarked));
      offset = end;
    }
  }
  return nodes;
}

function pieceOf(text: string, cls: string, isMarked: boolean): Node {
  if (!cls && !isMarked) return document.createTextNode(text);
  return h("span", { class: `${cls} ${isMarked ? "lm-mark" : ""}`.trim() }, text);
}

/** Colour both sides on their own: what was removed is not part of the new file. */
function colourLines(lines: MarkedLine[], language: string): Tokens {
  const tokens: Tokens = new Map();
  if (!language) return tokens;
  for (const other of ["remove", "add"] as const) {
    const side = lines.filter((line) => line.kind !== other && line.text.length <= MAX_SHOWN_CHARS);
    const coloured = highlightLines(side.map((line) => line.text).join("\n"), language);
    side.forEach((line, index) => {
      const pieces = coloured[index];
      // What is shown is the line itself or nothing: colours must never change it.
      if (pieces?.map((piece) => piece.text).join("") === line.text) tokens.set(line, pieces);
    });
  }
  return tokens;
}
