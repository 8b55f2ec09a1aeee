// What anywidget calls: one panel for each view.

import type { Model } from "./channel";
import { h } from "./dom";
import { Panel } from "./panel";
import { Store } from "./store";
import { PROTOCOL } from "./wire";

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const store = new Store(model);
  const { protocol } = store.overview;
  if (protocol !== PROTOCOL) {
    // A notebook that was open while the package was updated.
    store.dispose();
    el.append(h("p", {}, "This page is of another version than the kernel. Load it anew."));
    return () => { el.replaceChildren(); };
  }
  const panel = new Panel(store);
  el.append(panel.root);
  return () => { panel.dispose(); };
}

// Nothing else is exported: a function `render` beside it is an older contract of anywidget's,
// which would be taken first, with a warning.
export default { render };
