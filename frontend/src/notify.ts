// Tells the user that something is ready: in the panel, and by the browser where allowed.

import { button, h } from "./dom";
import type { Shell } from "./shell";
import type { Store } from "./store";
import type { Notification as Notice } from "./wire";

const TOAST_MS = 8_000;
const MAX_TOASTS = 4;

/** Sentences at the edge of the panel that go away by themselves. */
export class Toasts {
  readonly element = h("div", { class: "lm-toasts", attr: { role: "status" } });
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();

  /** Show a sentence; `about` names the thread that it leads to, if it does. */
  show(
    text: string,
    kind: "info" | "error" = "info",
    action?: [string, () => void],
    about = "",
  ): void {
    const remove = (): void => { toast.remove(); };
    const toast = h(
      "div",
      {
        class: `lm-toast lm-toast-${kind}`,
        attr: kind === "error" ? { role: "alert" } : {},
        data: about ? { about } : {},
      },
      h("span", {}, text),
      action &&
        button(action[0], () => {
          remove();
          action[1]();
        }),
      button("Close", remove, { icon: "close", class: "lm-quiet" }),
    );
    this.element.append(toast);
    while (this.element.childElementCount > MAX_TOASTS) this.element.firstElementChild?.remove();
    this.goLater(toast);
  }

  /** Take away what leads to a thread: the user is there. */
  settle(threadId: string): void {
    for (const toast of [...this.element.children]) {
      if (threadId && (toast as HTMLElement).dataset["about"] === threadId) toast.remove();
    }
  }

  dispose(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  private goLater(toast: HTMLElement): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      // Not while it is being read or about to be clicked.
      if (toast.matches(":hover, :focus-within")) this.goLater(toast);
      else toast.remove();
    }, TOAST_MS);
    this.timers.add(timer);
  }
}

/** Shows the kernel's notifications while the user is elsewhere. */
export class Notifier {
  /** A button to allow the browser's notifications; hidden once that is decided. */
  readonly element: HTMLButtonElement;
  private readonly stops: (() => void)[];

  constructor(
    private readonly store: Store,
    private readonly shell: Shell,
    private readonly toasts: Toasts,
  ) {
    this.element = button("Notify me when something is ready", () => { this.ask(); }, {
      icon: "bell",
      class: "lm-quiet",
    });
    this.paint();
    this.stops = [
      store.on("notification", (notice) => { this.notify(notice); }),
      store.on("active", (threadId) => { this.toasts.settle(threadId); }),
    ];
  }

  dispose(): void {
    for (const stop of this.stops) stop();
  }

  private notify(notice: Notice): void {
    const isHere = notice.thread_id === this.store.active && this.isWatched();
    if (isHere) return;
    const text = notice.text ? `${notice.title}: ${notice.text}` : notice.title;
    const threadId = notice.thread_id;
    this.toasts.show(
      text,
      "info",
      threadId ? ["Show", () => { this.shell.showThread(threadId); }] : undefined,
      threadId,
    );
    if (!this.isWatched()) this.notifyOutside(notice);
  }

  /** Whether the panel is before the user's eyes. */
  private isWatched(): boolean {
    return !document.hidden && document.hasFocus();
  }

  private notifyOutside(notice: Notice): void {
    if (permission() !== "granted") return;
    try {
      // The tag makes one of the two that two views of this panel would show.
      const shown = new Notification(notice.title, {
        body: notice.text,
        tag: `llm-scheduler-${notice.thread_id}-${notice.title}`,
      });
      shown.onclick = () => {
        window.focus();
        if (notice.thread_id) this.shell.showThread(notice.thread_id);
        shown.close();
      };
    } catch {
      // Some browsers have the name but refuse to make one; the toast is there.
    }
  }

  private ask(): void {
    void Notification.requestPermission().then((answer) => {
      this.paint();
      this.shell.toast(
        answer === "granted"
          ? "The browser tells you when something is ready."
          : "The browser does not allow notifications; they are shown here.",
      );
    });
  }

  private paint(): void {
    this.element.hidden = permission() !== "default";
  }
}

function permission(): string {
  return typeof Notification === "undefined" ? "unsupported" : Notification.permission;
}
