// The whole panel: its parts and what goes between them.

import { ChangesPane } from "./changes";
import { Composer } from "./composer";
import { Conversation } from "./conversation";
import { button, h } from "./dom";
import { LogViewer } from "./logviewer";
import { ModeSwitch } from "./mode";
import { Notifier, Toasts } from "./notify";
import { OverviewPane } from "./overview";
import type { Shell } from "./shell";
import { messageOf, type Store } from "./store";
import { followTheme } from "./theme";
import { ThreadPicker } from "./threads";

const MAX_ANNOUNCED_CHARS = 600;

export class Panel implements Shell {
  readonly root: HTMLElement;
  private readonly live = h("div", { class: "lm-offscreen", attr: { "aria-live": "polite" } });
  private readonly toasts = new Toasts();
  private readonly mode: ModeSwitch;
  private readonly overview: OverviewPane;
  private readonly changes: ChangesPane;
  private readonly conversation: Conversation;
  private readonly composer: Composer;
  private readonly logs: LogViewer;
  private readonly threads: ThreadPicker;
  private readonly notifier: Notifier;
  private readonly side: HTMLElement;
  private readonly sideButton: HTMLButtonElement;
  private readonly stops: (() => void)[];

  constructor(private readonly store: Store) {
    // The notebook listens to keys before they get here; the attribute is what it heeds.
    this.root = h("div", {
      class: "lm-panel",
      data: { lmSuppressShortcuts: "true", jpSuppressContextMenu: "true" },
      attr: { role: "region", "aria-label": "Chat with the run" },
    });
    this.mode = new ModeSwitch(store, this);
    this.overview = new OverviewPane(store, this);
    this.changes = new ChangesPane(store, this);
    this.conversation = new Conversation(store, this);
    this.composer = new Composer(store, this);
    this.logs = new LogViewer(store, this);
    this.threads = new ThreadPicker(store, this);
    this.notifier = new Notifier(store, this, this.toasts);
    this.side = h(
      "div",
      { class: "lm-side" },
      this.overview.element,
      this.changes.element,
    );
    this.sideButton = button("What happened", () => { this.toggleSide(); }, {
      class: "lm-side-button",
      icon: "side",
    });
    this.assemble();
    this.stops = [
      followTheme(this.root),
      store.press.watch(this.root),
      this.followWidth(),
      store.on("busy", (threadId) => { this.announceEnd(threadId); }),
      store.on("disconnected", () => {
        this.root.classList.add("lm-gone");
        this.announce("The kernel is gone. Run the cell again to go on.");
      }),
    ];
    this.root.addEventListener("keydown", (event) => { this.handleKey(event); });
    // Nothing that is typed here is for the notebook around the panel.
    for (const kind of ["keydown", "keypress", "keyup", "paste", "copy", "cut"] as const) {
      this.root.addEventListener(kind, (event) => { event.stopPropagation(); });
    }
    this.paintSide();
  }

  dispose(): void {
    for (const stop of this.stops) stop();
    const parts = [
      this.mode,
      this.overview,
      this.changes,
      this.conversation,
      this.composer,
      this.logs,
      this.threads,
      this.notifier,
      this.toasts,
    ];
    for (const part of parts) part.dispose();
    this.store.dispose();
    this.root.remove();
  }

  // -- the shell -------------------------------------------------------------------

  openLog(file: string, line = 0): void {
    this.logs.open(file, line);
  }

  draft(text: string): void {
    this.closeNarrowSide();
    if (text) this.composer.insert(text);
    this.composer.box.focus();
  }

  say(text: string, threadId = this.store.active): void {
    this.store.say(text, threadId).catch((error: unknown) => {
      this.toast(messageOf(error), "error");
      this.draft(text);
    });
  }

  showThread(threadId: string): void {
    this.store.setActive(threadId);
    this.closeNarrowSide();
  }

  showGroup(key: string): void {
    const group = this.store.group(key);
    if (!group) {
      this.toast("This cause is not among those that are shown here; ask about the job.");
      return;
    }
    this.store.setActive(group.thread_id);
    this.closeNarrowSide();
    this.conversation.showTop();
    this.announce(`${group.title}. ${group.diagnosis.title}`);
  }

  announce(text: string): void {
    // The same sentence twice is only read twice when the element was empty between.
    this.live.textContent = "";
    setTimeout(() => { this.live.textContent = text; }, 50);
  }

  toast(text: string, kind: "info" | "error" = "info"): void {
    this.toasts.show(text, kind);
  }

  // -- layout ----------------------------------------------------------------------

  private assemble(): void {
    const tools = h(
      "div",
      { class: "lm-tools" },
      this.notifier.element,
      button("Save the conversation as HTML", () => void this.save(), {
        icon: "save",
        class: "lm-quiet",
      }),
    );
    this.root.append(
      h(
        "div",
        { class: "lm-header" },
        this.sideButton,
        this.threads.element,
        tools,
        this.mode.element,
      ),
      this.mode.banner,
      h(
        "div",
        { class: "lm-body" },
        this.side,
        h(
          "div",
          { class: "lm-main" },
          this.conversation.element,
          this.conversation.desk.bar,
          this.composer.element,
        ),
      ),
      this.logs.element,
      this.toasts.element,
      this.live,
    );
  }

  private isNarrow(): boolean {
    // The same width as in chat.css.
    return this.root.clientWidth < 720;
  }

  private toggleSide(): void {
    const isShown = this.sideButton.getAttribute("aria-expanded") === "true";
    this.root.classList.toggle("lm-side-open", !isShown && this.isNarrow());
    this.root.classList.toggle("lm-side-closed", isShown && !this.isNarrow());
    this.paintSide();
  }

  /** Show what the side covers where there is little room; true when it did. */
  private closeNarrowSide(): boolean {
    if (!this.root.classList.contains("lm-side-open")) return false;
    this.root.classList.remove("lm-side-open");
    this.paintSide();
    return true;
  }

  /** The side is hidden where it has no room, and its button says so. */
  private followWidth(): () => void {
    if (typeof ResizeObserver === "undefined") return () => undefined;
    const observer = new ResizeObserver(() => { this.paintSide(); });
    observer.observe(this.root);
    return () => { observer.disconnect(); };
  }

  private paintSide(): void {
    const { classList } = this.root;
    const isShown = this.isNarrow()
      ? classList.contains("lm-side-open")
      : !classList.contains("lm-side-closed");
    this.sideButton.setAttribute("aria-expanded", String(isShown));
  }

  // -- keys and voice --------------------------------------------------------------

  private handleKey(event: KeyboardEvent): void {
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing) return;
    if (this.composer.stopTurn()) event.preventDefault();
    else if (this.closeNarrowSide()) this.sideButton.focus();
  }

  private announceEnd(threadId: string): void {
    const state = this.store.thread(threadId);
    if (threadId !== this.store.active || state.isBusy || !state.status) return;
    if (this.store.pendingApprovals(threadId).length) {
      this.announce("A proposed change waits for your decision.");
      return;
    }
    const last = state.items.at(-1);
    if (last && last.role !== "user") this.announce(last.text.slice(0, MAX_ANNOUNCED_CHARS));
  }

  private async save(): Promise<void> {
    const threadId = this.store.active;
    try {
      const { html } = await this.store.request({ type: "export", thread_id: threadId });
      if (typeof html !== "string") return;
      const url = URL.createObjectURL(new Blob([html], { type: "text/html" }));
      const link = h("a", { attr: { href: url, download: "conversation.html" } });
      this.root.append(link);
      link.click();
      link.remove();
      setTimeout(() => { URL.revokeObjectURL(url); }, 10_000);
    } catch (error) {
      this.toast(messageOf(error), "error");
    }
  }
}
