// The conversations: which is shown, and making, renaming and deleting them.

import { button, counted, freshId, h } from "./dom";
import type { Shell } from "./shell";
import { messageOf, type Store } from "./store";
import type { ThreadView } from "./wire";

const UNTITLED = "New conversation";

export class ThreadPicker {
  readonly element: HTMLElement;
  private readonly title = h("span", { class: "lm-thread-title" });
  private readonly badge = h("span", { class: "lm-badge" });
  private readonly opener: HTMLButtonElement;
  private readonly popup: HTMLElement;
  private readonly list = h("ul", { class: "lm-thread-list" });
  private readonly stops: (() => void)[];
  /** The row that is being renamed or asked about; it is not painted over meanwhile. */
  private held = "";

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
  ) {
    const popupId = freshId("threads");
    this.opener = h(
      "button",
      {
        class: "lm-button lm-thread-opener",
        attr: { type: "button", "aria-expanded": "false", "aria-controls": popupId },
        on: { click: () => { this.toggle(); } },
      },
      h("span", { class: "lm-icon lm-icon-chat", attr: { "aria-hidden": "true" } }),
      this.title,
      this.badge,
      h("span", { class: "lm-icon lm-icon-fold", attr: { "aria-hidden": "true" } }),
    );
    this.popup = h(
      "div",
      {
        class: "lm-popup lm-threads",
        hidden: true,
        attr: { id: popupId, role: "dialog", "aria-label": "Conversations" },
      },
      this.list,
    );
    this.popup.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      event.preventDefault();
      this.close(true);
    });
    this.element = h(
      "div",
      { class: "lm-thread-picker" },
      this.opener,
      button("New conversation", () => { this.make(); }, { icon: "plus", class: "lm-quiet" }),
      this.popup,
    );
    // A click elsewhere closes the list, as everywhere.
    this.element.addEventListener("focusout", (event) => {
      const to = event.relatedTarget;
      if (to instanceof Node && !this.element.contains(to)) this.close(false);
    });
    shell.root.addEventListener("pointerdown", (event) => {
      if (!this.element.contains(event.target as Node)) this.close(false);
    });
    this.stops = [
      store.on("threads", () => { this.paint(); }),
      store.on("active", () => { this.paint(); }),
      store.on("groups", () => { this.paint(); }),
    ];
    this.paint();
  }

  dispose(): void {
    for (const stop of this.stops) stop();
  }

  private toggle(): void {
    if (!this.popup.hidden) {
      this.close(true);
      return;
    }
    this.popup.hidden = false;
    this.opener.setAttribute("aria-expanded", "true");
    this.paint();
    (this.list.querySelector<HTMLElement>("[aria-current]") ?? this.list.querySelector("button"))?.focus();
  }

  private close(takesFocus: boolean): void {
    if (this.popup.hidden) return;
    this.held = "";
    this.popup.hidden = true;
    this.opener.setAttribute("aria-expanded", "false");
    if (takesFocus) this.opener.focus();
  }

  private make(): void {
    this.close(false);
    const { active } = this.store;
    const { isLoaded, items } = this.store.thread(active);
    const isFresh = isLoaded && !items.length && !this.store.outbox(active).length;
    if (active && isFresh && !this.store.group(active)) {
      // The one that is shown is new already.
      this.shell.draft("");
      return;
    }
    this.store.newThread().then(
      () => { this.shell.draft(""); },
      (error: unknown) => { this.shell.toast(messageOf(error), "error"); },
    );
  }

  // -- drawing ---------------------------------------------------------------------

  private paint(): void {
    const { threads, active } = this.store;
    const shown = threads.find((thread) => thread.id === active);
    // A group's thread is listed once something was said in it.
    this.title.textContent = shown?.title || (active && this.store.group(active)?.title) || UNTITLED;
    const elsewhere = threads.reduce(
      (n, thread) => n + (thread.id === active ? 0 : thread.n_pending),
      0,
    );
    this.badge.textContent = elsewhere ? String(elsewhere) : "";
    this.badge.hidden = !elsewhere;
    this.badge.title = `${counted(elsewhere, "change")} in other conversations to decide`;
    if (this.popup.hidden || this.held) return;
    const focused = (document.activeElement as HTMLElement | null)?.closest("li")?.dataset["thread"];
    this.list.replaceChildren(
      ...(threads.length
        ? threads.map((thread) => this.row(thread))
        : [h("li", { class: "lm-small" }, "No conversation yet.")]),
    );
    // The list was made anew under the focus.
    if (focused !== undefined) {
      const rows = [...this.list.querySelectorAll<HTMLElement>("li")];
      rows.find((row) => row.dataset["thread"] === focused)?.querySelector("button")?.focus();
    }
  }

  private row(thread: ThreadView): HTMLElement {
    const title = thread.title || UNTITLED;
    const facts = [
      thread.is_busy ? "answering" : "",
      thread.n_pending ? `${counted(thread.n_pending, "change")} to decide` : "",
      whenText(thread.updated),
    ].filter(Boolean);
    const row = h("li", { data: { thread: thread.id } });
    const choose = h(
      "button",
      {
        class: "lm-button lm-thread",
        attr: {
          type: "button",
          ...(thread.id === this.store.active ? { "aria-current": "true" } : {}),
        },
        on: {
          click: () => {
            this.close(true);
            this.shell.showThread(thread.id);
          },
        },
      },
      h("span", { class: "lm-thread-name" }, title),
      h("span", { class: "lm-small" }, facts.join(", ")),
    );
    row.append(
      choose,
      button(`Rename ${title}`, () => { this.rename(thread, row); }, {
        icon: "edit",
        class: "lm-quiet",
      }),
      button(`Delete ${title}`, () => { this.askToDelete(thread, row); }, {
        icon: "delete",
        class: "lm-quiet",
      }),
    );
    return row;
  }

  private rename(thread: ThreadView, row: HTMLElement): void {
    this.held = thread.id;
    const field = h("input", {
      class: "lm-input",
      attr: { type: "text", "aria-label": "New name", maxlength: "120" },
    });
    field.value = thread.title;
    const finish = (isWanted: boolean): void => {
      const title = field.value.trim();
      this.release(thread.id);
      if (isWanted && title && title !== thread.title) {
        this.change({ action: "rename", thread_id: thread.id, title });
      }
    };
    field.addEventListener("keydown", (event) => {
      if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
      event.preventDefault();
      finish(event.key === "Enter");
    });
    row.replaceChildren(
      field,
      button("Rename", () => { finish(true); }, { class: "lm-primary" }),
      button("Cancel", () => { finish(false); }),
    );
    field.focus();
    field.select();
  }

  private askToDelete(thread: ThreadView, row: HTMLElement): void {
    this.held = thread.id;
    const cancel = button("Keep", () => { this.release(thread.id); });
    row.replaceChildren(
      h("span", { class: "lm-thread-name" }, `Delete "${thread.title || UNTITLED}"?`),
      button(
        "Delete",
        () => {
          this.release(thread.id);
          this.change({ action: "delete", thread_id: thread.id });
        },
        { class: "lm-danger" },
      ),
      cancel,
    );
    cancel.focus();
  }

  private release(threadId: string): void {
    this.held = "";
    this.paint();
    const rows = [...this.list.querySelectorAll<HTMLElement>("li")];
    rows.find((row) => row.dataset["thread"] === threadId)?.querySelector("button")?.focus();
  }

  private change(what: { action: "rename" | "delete"; thread_id: string; title?: string }): void {
    this.store.request({ type: "change_thread", ...what }).then(
      () => {
        if (what.action === "delete" && what.thread_id === this.store.active) {
          this.store.setActive("");
        }
      },
      (error: unknown) => { this.shell.toast(messageOf(error), "error"); },
    );
  }
}

/** The time of today, else the day. */
export function whenText(iso: string, now = new Date()): string {
  const at = new Date(iso);
  if (!iso || Number.isNaN(at.getTime())) return "";
  return at.toDateString() === now.toDateString()
    ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : at.toLocaleDateString();
}
