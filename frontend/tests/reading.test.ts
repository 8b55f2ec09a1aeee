// Texts as people read them: code in titles, formulas, writing direction, texts of a megabyte.

import { expect, test, vi } from "vitest";

import { Composer } from "../src/composer";
import { DiagnosisPane } from "../src/diagnosis";
import { GroupList } from "../src/groups";
import { renderMarkdown } from "../src/markdown";
import { Store } from "../src/store";
import { FakeModel } from "./fake_model";
import { group } from "./group";
import { fakeShell } from "./shell";

const TITLE = "`potental` is no <b>name</b>: write `potential`";
const SHOWN = "potental is no <b>name</b>: write potential";
const codes = (element: Element | null): (string | null)[] =>
  [...(element?.querySelectorAll("code") ?? [])].map((code) => code.textContent);

test("what stands between backticks in a title is code, and never markup", () => {
  const { diagnosis } = group("k");
  const remedies = ["", "more"].map((details) => ({ kind: "code", summary: TITLE, details }));
  const shown = group("k", { title: TITLE, diagnosis: { ...diagnosis, title: TITLE, remedies } });
  const store = new Store(new FakeModel({ groups: [shown] }));
  const pane = new DiagnosisPane(store, fakeShell());
  pane.show("k");
  const list = new GroupList(store, fakeShell());
  for (const title of [
    list.element.querySelector(".lm-group-title"),
    pane.element.querySelector("h3"),
    ...pane.element.querySelectorAll(".lm-remedies summary, .lm-remedies > li > span"),
  ]) {
    expect(title?.textContent).toBe(SHOWN);
    expect(codes(title)).toEqual(["potental", "potential"]);
    expect(title?.querySelector("b")).toBeNull();
  }
  expect(pane.element.querySelectorAll(".lm-remedies > li")).toHaveLength(2);
});

test("the narrow list shows the names of learners, and is searched by their folders", () => {
  const learners = ["/home/ada/long/way/a.pickle", "b.pickle"];
  const list = new GroupList(
    new Store(new FakeModel({ groups: [group("k", { learners }), group("other")] })),
    fakeShell(),
  );
  expect(list.element.querySelector(".lm-group-facts")?.textContent).toBe("Diagnosed a.pickle, b.pickle");
  const search = list.element.querySelector("input");
  if (!search) throw new Error("no search");
  search.value = "long/way";
  search.dispatchEvent(new Event("input"));
  expect(list.element.querySelectorAll(".lm-group")).toHaveLength(1);
});

test("a formula in a line keeps all of its signs", () => {
  const element = renderMarkdown("The mass is $$E_0 = m * c_2 * d$$ and $x_1$.");
  expect(codes(element)).toEqual(["$$E_0 = m * c_2 * d$$", "$x_1$"]);
  expect(element.querySelector("em")).toBeNull();
});

test("each block of an answer reads from the side on which its language begins", () => {
  const element = renderMarkdown("one\n\n- \u05d0\u05d7\u05d3\n\n```py\nx = 1\n```");
  const sides = [...element.children].map((block) => (block as HTMLElement).dir);
  expect(sides).toEqual(["auto", "auto", ""]);
});

test("a text of a megabyte is not laid out to find that it is higher than the box", () => {
  const composer = new Composer(new Store(new FakeModel()), fakeShell());
  const measured = vi.spyOn(composer.box, "scrollHeight", "get").mockReturnValue(40);
  const put = (text: string): string => {
    composer.box.value = text;
    composer.box.dispatchEvent(new Event("input"));
    return composer.box.style.height;
  };
  expect(put("short")).toBe("40px");
  measured.mockClear();
  expect(put("line\n".repeat(200_000))).toBe("220px");
  expect(measured).not.toHaveBeenCalled();
  expect(put("")).toBe("40px");
  composer.dispose();
});
