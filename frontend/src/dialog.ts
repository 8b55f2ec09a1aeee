// A question that must be answered before anything else in the panel.

import { button, freshId, h } from "./dom";

export interface Question {
  title: string;
  /** One paragraph each. */
  texts: string[];
  /** The button that says yes. */
  confirm: string;
  isDangerous?: boolean;
}

/** Ask inside of `root`; `false` when it is cancelled in any way. */
export function ask(root: HTMLElement, question: Question): Promise<boolean> {
  return new Promise((resolve) => {
    const answer = (isYes: boolean): void => {
      cover.remove();
      resolve(isYes);
    };
    const no = button("Cancel", () => {
      answer(false);
    });
    const yes = button(question.confirm, () => {
      answer(true);
    }, { class: question.isDangerous ? "lm-danger" : "lm-primary" });
    const cover = h("div", {
      class: "lm-cover",
      on: {
        keydown: (event) => {
          if (event.key === "Escape") answer(false);
          else if (event.key === "Tab") (event.target === no ? yes : no).focus();
          else return;
          event.preventDefault();
          event.stopPropagation();
        },
        pointerdown: (event) => {
          if (event.target === cover) answer(false);
        },
      },
    }, makeDialog(question, no, yes));
    root.append(cover);
    // The harmless answer is the one that a hasty Enter gives.
    no.focus();
  });
}

function makeDialog(question: Question, ...buttons: HTMLElement[]): HTMLElement {
  const [titleId, textId] = [freshId("title"), freshId("text")];
  return h(
    "div",
    {
      class: "lm-dialog",
      attr: {
        role: "alertdialog",
        "aria-modal": "true",
        "aria-labelledby": titleId,
        "aria-describedby": textId,
      },
    },
    h("h2", { attr: { id: titleId } }, question.title),
    h("div", { attr: { id: textId } }, ...question.texts.map((text) => h("p", {}, text))),
    h("div", { class: "lm-card-actions" }, ...buttons),
  );
}
