// A panel that only notes what its parts ask of it.

import { vi } from "vitest";
import { h } from "../src/dom";

export function fakeShell() {
  const root = h("div", { class: "lm-panel" });
  document.body.replaceChildren(root);
  return {
    root,
    openLog: vi.fn<(file: string, line?: number) => void>(),
    draft: vi.fn<(text: string) => void>(),
    say: vi.fn<(text: string, threadId?: string) => void>(),
    showThread: vi.fn<(threadId: string) => void>(),
    showGroup: vi.fn<(key: string) => void>(),
    announce: vi.fn<(text: string) => void>(),
    toast: vi.fn<(text: string, kind?: "info" | "error") => void>(),
  };
}

/** The button with this label inside of an element. */
export function buttonOf(element: HTMLElement, label: string): HTMLButtonElement {
  const found = [...element.querySelectorAll("button")].find(
    (each) => (each.getAttribute("aria-label") ?? each.textContent) === label,
  );
  if (!found) throw new Error(`no button ${label}`);
  return found;
}

export function labels(element: HTMLElement): string[] {
  return [...element.querySelectorAll("button")].map(
    (each) => each.getAttribute("aria-label") ?? each.textContent,
  );
}

export function press(element: Element | null, key: string, more: KeyboardEventInit = {}): void {
  element?.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }),
  );
}
