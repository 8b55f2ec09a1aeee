// Makes elements. Texts go in as text nodes, so nothing in them is ever markup.

export type Child = Node | string | null | undefined | false;

export interface Attributes {
  class?: string;
  title?: string;
  hidden?: boolean;
  disabled?: boolean;
  on?: { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };
  data?: Record<string, string>;
  attr?: Record<string, string>;
}

/** Make an element with its attributes, listeners and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (attributes.class) element.className = attributes.class;
  if (attributes.title !== undefined) element.title = attributes.title;
  if (attributes.hidden) element.hidden = true;
  if (attributes.disabled) element.setAttribute("disabled", "");
  for (const [name, value] of Object.entries(attributes.attr ?? {})) {
    element.setAttribute(name, value);
  }
  for (const [name, value] of Object.entries(attributes.data ?? {})) element.dataset[name] = value;
  for (const [name, listener] of Object.entries(attributes.on ?? {})) {
    element.addEventListener(name, listener as EventListener);
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** Make a button that does not submit anything; `label` is its text or, with an icon, its name. */
export function button(
  label: string,
  onClick: (event: MouseEvent) => void,
  attributes: Attributes & { icon?: string } = {},
): HTMLButtonElement {
  const { icon, ...rest } = attributes;
  const made = h(
    "button",
    {
      ...rest,
      class: `lm-button ${rest.class ?? ""}`.trim(),
      attr: { type: "button", ...(icon ? { "aria-label": label } : {}), ...rest.attr },
      on: { ...rest.on, click: onClick },
    },
    icon ? h("span", { class: `lm-icon lm-icon-${icon}`, attr: { "aria-hidden": "true" } }) : label,
  );
  if (icon && !rest.title) made.title = label;
  return made;
}

// Signs that do not show, break the line, or turn the direction of what follows.
// eslint-disable-next-line no-control-regex -- control characters are what it looks for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** A name of a file as it is, with all in it that could make it look like another. */
export function visibleName(name: string): string {
  return name.replace(
    UNSEEN,
    (sign) => `\\u${(sign.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}

/** A line in which what stands between backticks is code. */
export function withCode(text: string): (HTMLElement | string)[] {
  return text.split(/`([^`]+)`/).map((part, at) => (at % 2 ? h("code", {}, part) : part));
}

let lastId = 0;

/** An id for `aria-labelledby` and the like that no other element of the page has. */
export function freshId(prefix: string): string {
  lastId += 1;
  return `lm-${prefix}-${String(lastId)}`;
}

/** A count with its noun: "1 job", "37 jobs". */
export function counted(n: number, noun: string, plural = `${noun}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? noun : plural}`;
}
