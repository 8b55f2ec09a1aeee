// A block of code with its language and a copy button.

import { button, h } from "./dom";
import { highlightInto } from "./highlight";

// Longer code that is still being written is coloured when it is whole.
const MAX_GROWING_CHARS = 8_000;
export function makeCodeBlock(code: string, language: string, isOpen: boolean): HTMLElement {
  const text = h("code");
  const copy = copyButton(() => text.textContent, "Copy code");
  const element = h(
    "div",
    { class: "lm-code" },
    h("div", { class: "lm-code-head" }, h("span", { class: "lm-code-language" }), copy),
    h("pre", { attr: { tabindex: "0", role: "group", "aria-label": "Code" } }, text),
  );
  updateCodeBlock(element, code, language, isOpen);
  return element;
}

export function updateCodeBlock(
  element: HTMLElement,
  code: string,
  language: string,
  isOpen: boolean,
): void {
  const name = language.trim().split(/\s/)[0]?.toLowerCase() ?? "";
  element.dataset["language"] = name.slice(0, 30);
  const label = element.querySelector(".lm-code-language");
  if (label) label.textContent = name.slice(0, 30);
  const text = element.querySelector<HTMLElement>("pre code");
  if (!text) return;
  if (isOpen && code.length > MAX_GROWING_CHARS) appendText(text, code);
  else highlightInto(text, code, name);
}

function appendText(element: HTMLElement, code: string): void {
  const shown = element.textContent;
  if (code.startsWith(shown)) element.append(code.slice(shown.length));
  else element.textContent = code;
}

/** A button that copies a text and says so. */
export function copyButton(text: () => string, label = "Copy"): HTMLButtonElement {
  const made = button(
    label,
    () => {
      void copyText(text(), made).then((isCopied) => {
        made.classList.toggle("lm-copied", isCopied);
        made.setAttribute("aria-label", isCopied ? "Copied" : "Copying failed");
        setTimeout(() => {
          made.classList.remove("lm-copied");
          made.setAttribute("aria-label", label);
        }, 1500);
      });
    },
    { icon: "copy", class: "lm-quiet" },
  );
  return made;
}

async function copyText(text: string, near: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // The clipboard is closed to pages over plain HTTP; the old way still works there.
    const area = h("textarea", { class: "lm-offscreen", attr: { "aria-hidden": "true" } });
    area.value = text;
    near.after(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    near.focus();
    return isCopied;
  }
}
