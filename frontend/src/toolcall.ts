// A tool call: one line that unfolds to what went in and what came out.

import { copyButton } from "./codeblock";
import { h } from "./dom";
import { highlightInto } from "./highlight";
import type { ToolCallView } from "./wire";

const STATUS_WORDS: Record<ToolCallView["status"], string> = {
  running: "running",
  ok: "done",
  error: "failed",
  waiting: "waits for you",
};
// The rest of a long output is in the log or file it was read from.
const MAX_SHOWN_CHARS = 50_000;

export class ToolCallLine {
  readonly element: HTMLDetailsElement;
  private readonly mark = h("span", { class: "lm-call-mark", attr: { "aria-hidden": "true" } });
  private readonly tool = h("span", { class: "lm-call-tool" });
  private readonly summary = h("span", { class: "lm-call-summary" });
  private readonly status = h("span", { class: "lm-call-status" });
  private readonly body = h("div", { class: "lm-call-body" });
  private shown = "";

  constructor(private call: ToolCallView) {
    this.element = h(
      "details",
      { class: "lm-call" },
      h("summary", {}, this.mark, this.tool, this.summary, this.status),
      this.body,
    );
    this.element.addEventListener("toggle", () => {
      this.paintBody();
    });
    this.update(call);
  }

  update(call: ToolCallView): void {
    this.call = call;
    this.element.dataset["status"] = call.status;
    this.tool.textContent = call.tool.replaceAll("_", " ");
    this.summary.textContent = call.summary || firstArgument(call);
    this.status.textContent = STATUS_WORDS[call.status];
    this.paintBody();
  }

  private paintBody(): void {
    // Most calls are never looked into; their output is not made into elements.
    if (!this.element.open) return;
    const key = JSON.stringify(this.call);
    if (key === this.shown) return;
    this.shown = key;
    const input = JSON.stringify(this.call.arguments, null, 2);
    this.body.replaceChildren(
      section("Input", input, "json"),
      section("Output", this.call.output || (this.isOpen() ? "\u2026" : "(nothing)"), ""),
    );
  }

  private isOpen(): boolean {
    return this.call.status === "running" || this.call.status === "waiting";
  }
}

function firstArgument(call: ToolCallView): string {
  const value = Object.values(call.arguments).find((argument) => typeof argument === "string");
  return typeof value === "string" ? (value.split("\n")[0] ?? "").slice(0, 200) : "";
}

function section(title: string, text: string, language: string): HTMLElement {
  const code = h("code");
  const cut = text.length > MAX_SHOWN_CHARS;
  const shown = cut ? text.slice(0, MAX_SHOWN_CHARS) : text;
  highlightInto(code, shown, language);
  return h(
    "div",
    { class: "lm-call-section" },
    h("div", { class: "lm-call-head" }, h("span", {}, title), copyButton(() => text, `Copy ${title}`)),
    h("pre", { attr: { tabindex: "0", role: "group", "aria-label": title } }, code),
    cut && h("div", { class: "lm-small" }, "Only the beginning is shown; copy has all of it."),
  );
}
