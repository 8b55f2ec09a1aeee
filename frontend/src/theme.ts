// Whether the page is dark, whoever made it: judged by the colour that is really there.

/** How bright a colour of `getComputedStyle` is, 0 to 1; null when it is see-through. */
export function brightness(color: string): number | null {
  const numbers = [...color.matchAll(/-?[\d.]+(?:e-?\d+)?%?/g)].map(([text]) =>
    text.endsWith("%") ? Number.parseFloat(text) / 100 : Number.parseFloat(text),
  );
  const [r, g, b, alpha] = numbers;
  if (r === undefined || g === undefined || b === undefined) return null;
  if (alpha !== undefined && alpha < 0.5) return null;
  const scale = color.startsWith("rgb") ? 255 : 1;
  return (0.2126 * r + 0.7152 * g + 0.0722 * b) / scale;
}

function isDark(root: HTMLElement): boolean {
  for (let at: Element | null = root.parentElement; at; at = at.parentElement) {
    const found = brightness(getComputedStyle(at).backgroundColor);
    if (found !== null) return found < 0.5;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Keep the class `lm-dark` of the panel true; returns how to stop. */
export function followTheme(root: HTMLElement): () => void {
  const apply = (): void => { root.classList.toggle("lm-dark", isDark(root)); };
  // Themes are switched by an attribute of one of these (JupyterLab, VS Code, Colab).
  const observer = new MutationObserver(() => requestAnimationFrame(apply));
  for (const element of [document.documentElement, document.body]) {
    observer.observe(element, { attributes: true });
  }
  // JupyterLab loads a theme's style sheet some time after it set the attribute.
  const head = new MutationObserver(() => requestAnimationFrame(apply));
  head.observe(document.head, { childList: true });
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", apply);
  document.addEventListener("load", apply, true);
  apply();
  requestAnimationFrame(apply);
  return () => {
    observer.disconnect();
    head.disconnect();
    media.removeEventListener("change", apply);
    document.removeEventListener("load", apply, true);
  };
}
