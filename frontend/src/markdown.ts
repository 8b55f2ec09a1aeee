// Markdown to elements. The one place where HTML text becomes elements, and it is sanitised.

import DOMPurify, { type Config } from "dompurify";
import { Marked, type Token, type Tokens, type TokenizerAndRendererExtension } from "marked";
import { updateCodeBlock, makeCodeBlock } from "./codeblock";

const CONFIG: Config & { RETURN_DOM_FRAGMENT: true } = {
  // No SVG, MathML, style, form, frame or template: what mutation attacks are made of.
  ALLOWED_TAGS: (
    "p br hr h1 h2 h3 h4 h5 h6 strong em b i u del sub sup kbd code pre blockquote " +
    "ul ol li table thead tbody tr th td a img span"
  ).split(" "),
  // No id, name or style, and of classes only a code's language (see below): text must
  // not look like a part of the panel.
  ALLOWED_ATTR: ["href", "src", "alt", "title", "start", "align", "class"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOW_UNKNOWN_PROTOCOLS: false,
  KEEP_CONTENT: true,
  RETURN_DOM_FRAGMENT: true,
};
const purify = DOMPurify(window);
// Read once; a configuration that is handed over is taken apart at each call.
purify.setConfig(CONFIG);
const HARMLESS_TAG = /^<\/?(?:br|sub|sup|kbd|b|i|u|strong|em)\s*\/?>$/i;
const RASTER = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+$/i;
const LANGUAGE_CLASS = /^language-[\w+-]{1,30}$/;
const LINK_PROTOCOLS = new Set(["http:", "https:", "mailto:"]);

// No answer of a model is that long; a text that is must not freeze the page.
const MAX_CHARS = 300_000;

/** Make sanitised elements of HTML text; nothing in them runs or loads anything. */
export function sanitise(html: string): DocumentFragment {
  const fragment = purify.sanitize(html, CONFIG);
  for (const image of fragment.querySelectorAll("img")) {
    if (!RASTER.test(image.getAttribute("src") ?? "")) {
      image.replaceWith(document.createTextNode(imageText(image.getAttribute("alt") ?? "")));
    }
  }
  for (const link of fragment.querySelectorAll("a")) restrictLink(link);
  for (const element of fragment.querySelectorAll("[class]")) {
    if (!LANGUAGE_CLASS.test(element.className)) element.removeAttribute("class");
  }
  return fragment;
}

function imageText(alt: string): string {
  return alt ? `[image: ${alt}]` : "[image]";
}

function restrictLink(link: HTMLAnchorElement): void {
  const href = link.getAttribute("href") ?? "";
  let protocol = "";
  try {
    // Without a base, so that a relative link, which would leave the notebook, is none.
    protocol = new URL(href).protocol;
  } catch {
    // Not a whole address.
  }
  if (!LINK_PROTOCOLS.has(protocol)) {
    link.replaceWith(...link.childNodes);
    return;
  }
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  link.referrerPolicy = "no-referrer";
  // The text may name another place than the link leads to.
  link.title = href;
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

// Formulas are shown as they are written; `_` and `*` in them are no emphasis.
const INLINE_MATH = /^(?:\$\$[^$\n]{1,400}\$\$|\$(?![\s$])(?:[^$\n\\]|\\.){0,400}?(?<!\s)\$(?!\d)|\\\([^\n]{0,400}?\\\))/;
const BLOCK_MATH = /^(?:\$\$[^$]{1,4000}\$\$|\\\[[^]{1,4000}?\\\])(?:\n+|$)/;

const inlineMath: TokenizerAndRendererExtension = {
  name: "inlineMath",
  level: "inline",
  start: (source) => {
    const at = source.search(/\$|\\\(/);
    return at < 0 ? undefined : at;
  },
  tokenizer: (source) => {
    const raw = INLINE_MATH.exec(source)?.[0];
    return raw ? { type: "inlineMath", raw } : undefined;
  },
  renderer: (token) => `<code>${escapeHtml(token.raw)}</code>`,
};
const blockMath: TokenizerAndRendererExtension = {
  name: "blockMath",
  level: "block",
  tokenizer: (source) => {
    const raw = BLOCK_MATH.exec(source)?.[0];
    return raw ? { type: "blockMath", raw } : undefined;
  },
  renderer: (token) => `<pre>${escapeHtml(token.raw.trim())}</pre>`,
};

const marked = new Marked({ gfm: true, async: false });
marked.use({
  extensions: [inlineMath, blockMath],
  renderer: {
    // What is not a plain tag is shown, so that nothing can be hidden in an answer.
    html: ({ text }) => (HARMLESS_TAG.test(text.trim()) ? text : escapeHtml(text)),
    checkbox: ({ checked }) => (checked ? "\u2611 " : "\u2610 "),
  },
});

interface Block {
  raw: string;
  /** What is shown, which may be closed for now where `raw` is still open. */
  shown: string;
  token: Token;
  element: HTMLElement;
}

/**
 * A Markdown text that grows.
 *
 * It is cut into blocks (paragraph, list, table, code), each with its own element. When
 * more text comes, only the last blocks are read and painted again; elements before them
 * stay the same, so that selections and scroll positions do too.
 */
export class MarkdownView {
  readonly element = document.createElement("div");
  private blocks: Block[] = [];
  private written = "";
  private text = "";
  private isFinal = false;

  constructor() {
    this.element.className = "lm-markdown";
  }

  /** Show `text`; `isFinal` when nothing is added any more. */
  update(written: string, isFinal: boolean): void {
    if (written === this.written && isFinal === this.isFinal) return;
    this.written = written;
    // The reader does the same, and offsets must stay true.
    const text = written.replace(/\r\n?/g, "\n");
    const isGrown = text.startsWith(this.text);
    // At the end all is read once more: a definition at the foot can change links above.
    const kept = isGrown && !isFinal ? this.stableBlocks() : 0;
    const offset = this.blocks.slice(0, kept).reduce((sum, block) => sum + block.raw.length, 0);
    this.text = text;
    this.isFinal = isFinal;
    const tokens = readBlocks(text.slice(offset));
    for (const [index, token] of tokens.entries()) {
      const isLast = !isFinal && index === tokens.length - 1;
      this.paint(kept + index, token, isLast);
    }
    for (const block of this.blocks.splice(kept + tokens.length)) block.element.remove();
  }

  /** Number of blocks at the top that more text can't change. */
  private stableBlocks(): number {
    // The last may go on, and with it one that ends in blank lines, such as a list.
    return Math.max(0, this.blocks.length - 2);
  }

  private paint(index: number, token: Token, isOpen: boolean): void {
    const shown = isOpen ? closeMarks(token) : token.raw;
    const old = this.blocks[index];
    if (old?.shown === shown && old.raw === token.raw && old.token.type === token.type) {
      // Links by reference may have found their definition.
      if (!this.isFinal || !/\]/.test(shown)) return;
    }
    if (old && isCode(old.token) && isCode(token)) {
      updateCodeBlock(old.element, token.text, token.lang ?? "", isOpen);
      this.blocks[index] = { raw: token.raw, shown, token, element: old.element };
      return;
    }
    const element = isCode(token)
      ? makeCodeBlock(token.text, token.lang ?? "", isOpen)
      : paintedBlock(shown === token.raw ? token : (readBlocks(shown)[0] ?? token));
    if (old) old.element.replaceWith(element);
    else this.element.append(element);
    this.blocks[index] = { raw: token.raw, shown, token, element };
  }
}

function isCode(token: Token): token is Tokens.Code {
  return token.type === "code";
}

/** Read top-level blocks; blank lines belong to the block before them. */
function readBlocks(text: string): Token[] {
  if (text.length > MAX_CHARS) return [plainBlock(text)];
  let tokens: Token[];
  try {
    tokens = marked.lexer(text);
  } catch {
    // Too deep nesting; better shown as it is than not at all.
    return [plainBlock(text)];
  }
  const blocks: Token[] = [];
  for (const token of tokens) {
    const last = blocks.at(-1);
    if ((token.type === "space" || token.type === "def") && last) last.raw += token.raw;
    else blocks.push(token);
  }
  return blocks;
}

function plainBlock(text: string): Token {
  return { type: "paragraph", raw: text, text, tokens: [{ type: "text", raw: text, text }] };
}

function paintedBlock(token: Token): HTMLElement {
  const element = document.createElement("div");
  element.className = "lm-block";
  // Hebrew and Arabic begin at the right, their lists' marks too.
  element.dir = "auto";
  let html: string;
  try {
    html = marked.parser([token]);
  } catch {
    html = `<p>${escapeHtml(token.raw)}</p>`;
  }
  element.append(sanitise(html));
  for (const table of element.querySelectorAll("table")) {
    // A wide table scrolls by itself instead of widening the panel.
    const frame = document.createElement("div");
    frame.className = "lm-table";
    frame.tabIndex = 0;
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", "Table");
    table.replaceWith(frame);
    frame.append(table);
  }
  for (const pre of element.querySelectorAll("pre")) {
    const code = pre.querySelector("code");
    if (!code) continue;
    const language = code.className.replace(/^language-/, "");
    pre.replaceWith(makeCodeBlock(code.textContent.replace(/\n$/, ""), language, false));
  }
  return element;
}

/** Close what the tail of a growing paragraph leaves open, so that it is not repainted twice. */
function closeMarks(token: Token): string {
  const { raw } = token;
  if (token.type !== "paragraph" && token.type !== "list" && token.type !== "heading") return raw;
  const tail = raw.slice(raw.lastIndexOf("\n") + 1);
  if (count(tail, /`+/g) % 2) return `${raw}\``;
  // A link that is still being written shows as its text.
  const link = /!?\[([^[\]]{0,300})(?:\]\([^()\s]{0,2000})?$/.exec(tail);
  const shown = link ? raw.slice(0, raw.length - link[0].length) + (link[1] ?? "") : raw;
  if (count(tail, /\*\*/g) % 2) {
    return shown.endsWith("**") ? shown.slice(0, -2) : `${shown.trimEnd()}**`;
  }
  return shown;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

/** Show a Markdown text that does not grow. */
export function renderMarkdown(text: string): HTMLElement {
  const view = new MarkdownView();
  view.update(text, true);
  return view.element;
}
