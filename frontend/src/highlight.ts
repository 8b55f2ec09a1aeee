// Code to coloured pieces, as elements and never as HTML.

import { grammarOf, knownLanguage } from "./syntax";

/** A piece of a line; `cls` is a class name, empty for plain text. */
export interface Token {
  text: string;
  cls: string;
}

// Longer code is shown plain: colours are not worth a frozen page.
const MAX_CHARS = 200_000;

/** Language of a file by its name, or "" when it is none that is known. */
export function languageOf(file: string): string {
  return knownLanguage(/\.([\w+]+)$/.exec(file)?.[1] ?? "");
}

/** Cut code into lines of coloured pieces; joined again they are exactly `code`. */
export function highlightLines(code: string, language: string): Token[][] {
  const lines: Token[][] = [[]];
  const known = knownLanguage(language);
  if (!known || code.length > MAX_CHARS) {
    addText(lines, code, "");
    return lines;
  }
  const { pattern, kinds } = grammarOf(known);
  let end = 0;
  for (const match of code.matchAll(pattern)) {
    if (!match[0]) continue;
    addText(lines, code.slice(end, match.index), "");
    const group = match.slice(1).findIndex((text) => text !== undefined);
    addText(lines, match[0], `lm-syntax-${kinds[group] ?? ""}`);
    end = match.index + match[0].length;
  }
  addText(lines, code.slice(end), "");
  return lines;
}

function addText(lines: Token[][], text: string, cls: string): void {
  for (const [index, piece] of text.split("\n").entries()) {
    if (index) lines.push([]);
    if (piece) lines.at(-1)?.push({ text: piece, cls });
  }
}

/** Put coloured code into an element, in the place of what is in it. */
export function highlightInto(element: HTMLElement, code: string, language: string): void {
  const parts: Node[] = [];
  for (const [index, line] of highlightLines(code, language).entries()) {
    if (index) parts.push(document.createTextNode("\n"));
    for (const { text, cls } of line) {
      if (!cls) {
        parts.push(document.createTextNode(text));
        continue;
      }
      const span = document.createElement("span");
      span.className = cls;
      span.textContent = text;
      parts.push(span);
    }
  }
  element.replaceChildren(...parts);
}
