// The panel where it has little room: what happened lies over the conversation.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import panel from "../src/index";
import { FakeModel } from "./fake_model";
import { buttonOf } from "./shell";

let close: () => void = () => undefined;

function opened() {
  const model = new FakeModel({});
  const el = document.createElement("div");
  document.body.append(el);
  close = panel.render({ model, el });
  const root = el.querySelector<HTMLElement>(".lm-panel");
  const box = el.querySelector<HTMLTextAreaElement>(".lm-box");
  if (!root || !box) throw new Error("no panel");
  const opener = el.querySelector<HTMLButtonElement>(".lm-side-button");
  opener?.click();
  expect(root.classList.contains("lm-side-open")).toBe(true);
  return { model, root, box, opener };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["requestAnimationFrame", "cancelAnimationFrame"] });
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
});
afterEach(() => {
  close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
  document.body.replaceChildren();
});

test("a job that is chosen to ask about it leads to the box, which is no longer covered", async () => {
  const { model, root, box } = opened();
  buttonOf(root, "Jobs").click();
  const job = {
    index: 0, learner: "l0", job_name: "j", job_id: "100", state: "running", elapsed_s: 1, note: "", group: "",
  };
  await model.reply(model.last("find_jobs"), { jobs: [job], n: 1 });
  root.querySelector<HTMLElement>(".lm-job")?.click();
  expect(root.classList.contains("lm-side-open")).toBe(false);
  expect(box.value).toBe("@100 ");
  expect(document.activeElement).toBe(box);
});

test("Escape closes it, and the focus is where it was opened", () => {
  const { root, opener } = opened();
  const escape = new KeyboardEvent("keydown", { key: "Escape", bubbles: true, cancelable: true });
  root.querySelector(".lm-tab")?.dispatchEvent(escape);
  expect(root.classList.contains("lm-side-open")).toBe(false);
  expect(opener?.getAttribute("aria-expanded")).toBe("false");
  expect(document.activeElement).toBe(opener);
});

test("a kernel that is not there is told of in words that say what to do", async () => {
  const { model, root, box } = opened();
  model.send = () => {
    throw new Error("Cannot send");
  };
  box.value = "Why?";
  box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  await Promise.resolve();
  await Promise.resolve();
  await Promise.resolve();
  expect(root.querySelector(".lm-toast")?.textContent).toBe(
    "The kernel can't be reached. Start it and run the cell again to go on.",
  );
  expect(box.value).toBe("Why?");
});
