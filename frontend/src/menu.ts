// A button that opens a menu, as the WAI-ARIA practices describe it.

import { button, freshId, h } from "./dom";

export interface MenuItem {
  label: string;
  /** What it means, in smaller letters. */
  detail?: string;
  onSelect: () => void;
}

/** Make a button named `label` that opens a menu of `items`. */
export function menuButton(label: string, items: MenuItem[], icon = "down"): HTMLElement {
  const id = freshId("menu");
  const list = h("div", { class: "lm-menu", hidden: true, attr: { role: "menu", id } });
  list.setAttribute("aria-label", label);
  const opener = button(label, () => {
    setOpen(Boolean(list.hidden));
  }, { icon, attr: { "aria-haspopup": "menu", "aria-expanded": "false", "aria-controls": id } });
  const place = h("div", { class: "lm-menu-place" }, opener, list);

  const onOutside = (event: Event): void => {
    // In a shadow tree the target is the host; the path is what was really clicked.
    if (!event.composedPath().includes(place)) setOpen(false);
  };
  function setOpen(isOpen: boolean): void {
    list.hidden = !isOpen;
    opener.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      document.addEventListener("pointerdown", onOutside, true);
      (list.firstElementChild as HTMLElement | null)?.focus();
    } else {
      document.removeEventListener("pointerdown", onOutside, true);
    }
  }
  list.append(
    ...items.map((item) =>
      button("", () => {
        setOpen(false);
        opener.focus();
        item.onSelect();
      }, { class: "lm-menu-item", attr: { role: "menuitem", tabindex: "-1" } }),
    ),
  );
  items.forEach((item, index) => {
    list.children[index]?.append(
      h("span", { class: "lm-menu-label" }, item.label),
      item.detail ? h("span", { class: "lm-menu-detail" }, item.detail) : "",
    );
  });
  place.addEventListener("keydown", (event) => {
    if (list.hidden) {
      if (event.key !== "ArrowDown") return;
      setOpen(true);
    } else if (!moveFocus(list, event)) {
      if (event.key !== "Escape" && event.key !== "Tab") return;
      setOpen(false);
      if (event.key === "Tab") return;
      opener.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  });
  return place;
}

function moveFocus(list: HTMLElement, event: KeyboardEvent): boolean {
  const entries = [...list.children] as HTMLElement[];
  const root = list.getRootNode() as Document | ShadowRoot;
  const at = entries.indexOf(root.activeElement as HTMLElement);
  const to = {
    ArrowDown: (at + 1) % entries.length,
    ArrowUp: (at - 1 + entries.length) % entries.length,
    Home: 0,
    End: entries.length - 1,
  }[event.key];
  if (to === undefined) return false;
  entries[to]?.focus();
  return true;
}
