import { afterEach, expect, test, vi } from "vitest";
import { makeCodeBlock } from "../src/codeblock";
import { highlightInto } from "../src/highlight";
import { ItemView } from "../src/item";
import { MarkdownView, renderMarkdown, sanitise } from "../src/markdown";
import { ToolCallLine } from "../src/toolcall";
import { item } from "./fake_model";
// Attacks on what shows text as HTML, of the kinds that OWASP's and others' lists name;
// the tests in a real browser read them too.
import kinds from "./payloads.json";

const PAYLOADS = Object.values(kinds).flat();

const TAGS = new Set(
  (
    "div span p br hr h1 h2 h3 h4 h5 h6 strong em b i u del sub sup kbd code pre blockquote " +
    "ul ol li table thead tbody tr th td a img button"
  ).split(" "),
);
const ATTRIBUTES = new Set(
  (
    "class href src alt title start align target rel referrerpolicy tabindex role aria-label " +
    "aria-hidden type data-language"
  ).split(" "),
);

/** What in an element could run or load something; none is wanted. */
function dangers(root: Element): string[] {
  const found: string[] = [];
  for (const element of root.querySelectorAll("*")) {
    const name = element.tagName.toLowerCase();
    if (!TAGS.has(name) || element.namespaceURI !== "http://www.w3.org/1999/xhtml") found.push(name);
    for (const { name: attribute, value } of element.attributes) {
      // The panel's own, of a block; an answer can't turn its own direction.
      if (attribute === "dir" && element.className === "lm-block" && value === "auto") continue;
      if (!ATTRIBUTES.has(attribute)) found.push(`${name} ${attribute}`);
      if (attribute === "src" && !/^data:image\/(png|jpeg|gif|webp);base64,/.test(value)) {
        found.push(`${name} src=${value}`);
      }
      if (attribute === "href" && !/^(https?:|mailto:)/i.test(value)) found.push(`href=${value}`);
    }
    if (name === "a") {
      const link = element as HTMLAnchorElement;
      if (link.rel !== "noopener noreferrer" || link.target !== "_blank") found.push("bare link");
    }
    if (/\blm-(panel|approval|button)\b/.test(element.className) && name !== "button") {
      found.push(`looks like the panel: ${element.className}`);
    }
  }
  return found;
}

afterEach(() => { document.body.replaceChildren(); });

test("the table is long enough and has nothing twice", () => {
  expect(PAYLOADS.length).toBeGreaterThanOrEqual(60);
  expect(new Set(PAYLOADS).size).toBe(PAYLOADS.length);
});

test("the check itself finds what it is for", () => {
  const root = document.createElement("div");
  root.innerHTML = '<img src="https://a.example/x" onerror="x"><a href="javascript:x">y</a><svg></svg>';
  expect(dangers(root)).toHaveLength(5);
});

test.each(PAYLOADS)("as an answer, whole: %s", (payload) => {
  const element = renderMarkdown(payload);
  document.body.append(element);
  expect(dangers(element)).toEqual([]);
});

test.each(PAYLOADS)("as an answer that grows: %s", (payload) => {
  const view = new MarkdownView();
  document.body.append(view.element);
  // Cut at every place would take a minute; a step that is prime comes by most of them.
  for (let end = 1; end <= payload.length; end += 11) {
    view.update(payload.slice(0, end), false);
    expect(dangers(view.element)).toEqual([]);
  }
  view.update(payload, true);
  expect(dangers(view.element)).toEqual([]);
});

test.each(PAYLOADS)("as HTML, put in and read again: %s", (payload) => {
  const once = document.createElement("div");
  once.append(sanitise(payload));
  const twice = document.createElement("div");
  // A second reading is what mutation attacks wait for.
  twice.innerHTML = once.innerHTML;
  expect(dangers(once)).toEqual([]);
  expect(dangers(twice)).toEqual([]);
});

test.each(PAYLOADS)("as a message, tool call or code: %s", (payload) => {
  const actions = { resend: vi.fn(), retry: vi.fn(), approvalCard: () => document.createElement("div") };
  for (const role of ["user", "notice", "error"] as const) {
    const view = new ItemView(item("i", { role, text: payload }), actions);
    const plain = view.element.querySelector(".lm-plain");
    expect(plain?.textContent).toBe(payload);
    expect(plain?.childElementCount).toBe(0);
  }
  const call = new ToolCallLine({
    call_id: "c",
    tool: payload,
    arguments: { [payload]: payload },
    status: "ok",
    summary: payload,
    output: payload,
  });
  document.body.append(call.element);
  call.element.open = true;
  call.element.dispatchEvent(new Event("toggle"));
  expect(call.element.querySelector("script, img, svg, a, iframe, style")).toBeNull();
  expect(call.element.textContent).toContain(payload);
  for (const language of ["python", "bash", "json", "yaml", "toml", "c", "fortran", "diff", ""]) {
    const code = document.createElement("code");
    highlightInto(code, payload, language);
    expect(code.textContent).toBe(payload);
    expect([...code.querySelectorAll("*")].every((one) => one.tagName === "SPAN")).toBe(true);
  }
});

test("nothing of a text is hidden: tags are shown", () => {
  const element = renderMarkdown("before <div hidden>secret</div> <!-- note --> after");
  expect(element.textContent).toContain("<div hidden>secret</div> <!-- note --> after");
});

test("pictures inside the text are shown, others are named", () => {
  const dot = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
  const element = renderMarkdown(`![dot](${dot}) ![plot](https://a.example/p.png)`);
  expect(element.querySelectorAll("img")).toHaveLength(1);
  expect(element.textContent).toContain("[image: plot]");
});

test("links open elsewhere and say where", () => {
  const [web, mail] = renderMarkdown("[x](https://a.example/p) <me@a.example>").querySelectorAll("a");
  expect(web).toMatchObject({ target: "_blank", rel: "noopener noreferrer", title: "https://a.example/p" });
  expect(mail?.href).toBe("mailto:me@a.example");
});

test("a relative link, which would leave the notebook, is only text", () => {
  const element = renderMarkdown("[log](run.out) and [up](/tree)");
  expect(element.querySelector("a")).toBeNull();
  expect(element.textContent.trim()).toBe("log and up");
});

test("tables, code, tasks and formulas", () => {
  const element = renderMarkdown(
    "| a | b |\n|---|--:|\n| 1 | 2 |\n\n```py\ndef f(): return 1\n```\n\n- [x] done\n\n$a_i * b_i$ \\(c_j\\)\n\n$$\nx_1 * y_2 * z\n$$\n",
  );
  expect(element.querySelector("td[align=right]")?.textContent).toBe("2");
  expect(element.querySelector(".lm-code-language")?.textContent).toBe("py");
  expect(element.querySelector(".lm-syntax-keyword")?.textContent).toBe("def");
  expect(element.textContent).toContain("\u2611 done");
  expect(element.textContent).toContain("$a_i * b_i$");
  expect(element.textContent).toContain("\\(c_j\\)");
  expect(element.textContent).toContain("x_1 * y_2 * z");
  expect(element.querySelector("em")).toBeNull();
});

test("prices are no formulas", () => {
  expect(renderMarkdown("It cost $5 and **then** $10.").querySelector("strong")).not.toBeNull();
});

test("while a text grows only its end is painted again", () => {
  const view = new MarkdownView();
  const text = "First paragraph.\n\n- one\n- two\n\n```python\nx = 1\n```\n\nLast paragraph grows";
  view.update(text, false);
  const [first, list, code] = view.element.children;
  const button = code?.querySelector("button");
  const watch = new MutationObserver(() => undefined);
  watch.observe(view.element, { childList: true, subtree: true, characterData: true });
  let grown = text;
  for (const piece of [" and", " grows", ".\n\n", "More", " of", " it"]) {
    grown += piece;
    view.update(grown, false);
  }
  expect(view.element.children[0]).toBe(first);
  expect(view.element.children[1]).toBe(list);
  expect(view.element.children[2]).toBe(code);
  expect(code?.querySelector("button")).toBe(button);
  for (const { target } of watch.takeRecords()) {
    expect([first, list, code].some((kept) => kept?.contains(target))).toBe(false);
  }
});

test("a growing block of code keeps its element and its copy button", () => {
  const view = new MarkdownView();
  view.update("```python\ndef f", false);
  const [block] = view.element.children;
  const button = block?.querySelector("button");
  view.update("```python\ndef f(x):\n    return 1\n", false);
  view.update("```python\ndef f(x):\n    return 1\n```\n", true);
  expect(view.element.children[0]).toBe(block);
  expect(block?.querySelector("button")).toBe(button);
  expect(block?.querySelector("code")?.textContent).toBe("def f(x):\n    return 1");
});

test("what is cut in the middle shows no half marks", () => {
  const shown = (text: string): string => {
    const view = new MarkdownView();
    view.update(text, false);
    return view.element.textContent.trim();
  };
  expect(shown("This is **very impor")).toBe("This is very impor");
  expect(shown("Call `np.zer")).toBe("Call np.zer");
  expect(shown("See [the docs](https://slurm.sch")).toBe("See the docs");
});

const SAMPLES = [
  "Para one\nstill one\n\nPara two\n\n1. a\n\n   more\n2. b\n\n> quote\n> more\n\n---\n\n| a |\n|---|\n| 1 |\n\nend",
  "Setext\n===\n\ntext\r\nwith returns\r\n\r\n- x\n  - y\n\n    code in list\n\n- z\n\n\n\nend *it*",
  "```\nopen\n\n\ncode\n```\n\n[ref] used\n\n[ref]: https://a.example\n",
  "\n\n  leading\n\n\tcode by tab\n\nend\\\nline **b** ~~s~~ `c`",
];

test.each(SAMPLES)("grown piece by piece is as read at once: %j", (text) => {
  const grown = new MarkdownView();
  for (let end = 1; end <= text.length; end += 3) grown.update(text.slice(0, end), false);
  grown.update(text, true);
  expect(grown.element.innerHTML).toBe(renderMarkdown(text).innerHTML);
});

test("a text that is replaced is shown anew", () => {
  const view = new MarkdownView();
  view.update("one\n\ntwo\n\nthree", true);
  view.update("other", true);
  expect(view.element.textContent.trim()).toBe("other");
});

test("deep nesting ends as text, not as an error", () => {
  const element = renderMarkdown(`${"> ".repeat(20_000)}x`);
  expect(element.textContent).toContain("x");
});

test("copying takes the code as it is", async () => {
  const writeText = vi.fn(() => Promise.resolve());
  vi.stubGlobal("navigator", { clipboard: { writeText } });
  const block = makeCodeBlock("a < b\n", "python", false);
  block.querySelector("button")?.click();
  await Promise.resolve();
  expect(writeText).toHaveBeenCalledWith("a < b\n");
  vi.unstubAllGlobals();
});
