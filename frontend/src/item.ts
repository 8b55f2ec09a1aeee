// One entry of a conversation.

import { copyButton } from "./codeblock";
import { button, h } from "./dom";
import { MarkdownView } from "./markdown";
import { ToolCallLine } from "./toolcall";
import type { Item } from "./wire";

/** What an entry asks of the conversation. */
export interface ItemActions {
  /** Take back the thread to before the user's entry and say `text` instead. */
  resend(itemId: string, text: string): void;
  /** Ask again what this entry answers. */
  retry(itemId: string): void;
  /** The card of a proposed change; always the same element for an id. */
  approvalCard(approvalId: string): HTMLElement;
}

const NAMES: Record<Item["role"], string> = {
  user: "You",
  assistant: "Assistant",
  notice: "Note",
  error: "Problem",
};

export class ItemView {
  readonly element: HTMLElement;
  private readonly markdown = new MarkdownView();
  private readonly plain = h("div", { class: "lm-plain" });
  private readonly calls = h("div", { class: "lm-calls" });
  private readonly callLines = new Map<string, ToolCallLine>();
  private readonly approvals = h("div", { class: "lm-approvals" });
  // Else what is there of an answer looks like all of it.
  private readonly stopped = h("p", { class: "lm-soft", hidden: true }, "You stopped this answer.");
  private editor: HTMLElement | null = null;

  constructor(
    private item: Item,
    private readonly actions: ItemActions,
  ) {
    const isMarkdown = item.role === "assistant";
    this.element = h(
      "article",
      {
        class: `lm-item lm-item-${item.role}`,
        data: { item: item.id },
        attr: { "aria-label": NAMES[item.role] },
      },
      isMarkdown ? this.markdown.element : this.plain,
      this.calls,
      this.approvals,
      this.stopped,
      this.actionRow(),
    );
    this.update(item);
  }

  /** Whether the user is at work in it. */
  get isInUse(): boolean {
    return this.editor !== null || this.element.contains(document.activeElement);
  }

  get isBeingWritten(): boolean {
    return this.editor !== null;
  }

  update(item: Item): void {
    this.item = item;
    this.element.classList.toggle("lm-growing", !item.is_final);
    this.element.classList.toggle("lm-wordless", !item.text);
    this.stopped.hidden = !item.is_stopped;
    if (item.role === "assistant") this.markdown.update(item.text, item.is_final);
    else if (this.plain.textContent !== item.text) this.plain.textContent = item.text;
    for (const call of item.calls) {
      const line = this.callLines.get(call.call_id);
      if (line) {
        line.update(call);
        continue;
      }
      const made = new ToolCallLine(call);
      this.callLines.set(call.call_id, made);
      this.calls.append(made.element);
    }
    for (const id of item.approvals) {
      const card = this.actions.approvalCard(id);
      if (card.parentElement !== this.approvals) this.approvals.append(card);
    }
  }

  private actionRow(): HTMLElement {
    const { role } = this.item;
    const row = h("div", { class: "lm-actions" });
    if (role === "notice") return row;
    row.append(copyButton(() => this.item.text, "Copy the text"));
    if (role === "user") {
      row.append(
        button("Edit and send again", () => { this.edit(); }, { icon: "edit", class: "lm-quiet" }),
      );
    } else {
      row.append(
        button("Try again", () => { this.actions.retry(this.item.id); }, {
          icon: "retry",
          class: "lm-quiet",
        }),
      );
    }
    return row;
  }

  /** Let the user change what was said, or go on with a text that was refused. */
  edit(text = this.item.text): void {
    if (this.editor) return;
    const area = h("textarea", { class: "lm-edit", attr: { "aria-label": "Your message" } });
    area.value = text;
    area.rows = Math.min(12, text.split("\n").length + 1);
    const close = (): void => {
      this.editor?.remove();
      this.editor = null;
      this.plain.hidden = false;
      this.element.querySelector<HTMLElement>(".lm-actions .lm-button:last-child")?.focus();
    };
    const send = (): void => {
      const text = area.value.trim();
      if (!text) return;
      close();
      this.actions.resend(this.item.id, text);
    };
    area.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") {
        event.preventDefault();
        close();
      } else if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        send();
      }
    });
    this.editor = h(
      "div",
      { class: "lm-editor" },
      area,
      h("div", { class: "lm-small" }, "What came after this message is taken back."),
      h(
        "div",
        { class: "lm-row" },
        button("Send", send, { class: "lm-primary" }),
        button("Cancel", close),
      ),
    );
    this.plain.hidden = true;
    this.plain.after(this.editor);
    area.focus();
  }
}
