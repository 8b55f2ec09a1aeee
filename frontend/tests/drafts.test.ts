import { beforeEach, expect, test, vi } from "vitest";
import { Composer } from "../src/composer";
import { Drafts } from "../src/drafts";
import { Store } from "../src/store";
import { FakeModel } from "./fake_model";
import { fakeShell } from "./shell";

beforeEach(() => { sessionStorage.clear(); });

/** The drafts of a view of this run. */
function draftsOf(run: string): Drafts {
  const drafts = new Drafts();
  drafts.open(run);
  return drafts;
}

test("a draft is kept for its thread of its run, until it is sent", () => {
  const drafts = draftsOf("run");
  drafts.set("a", "half a question");
  drafts.set("b", "another");
  const later = draftsOf("run");
  expect([later.get("a"), later.get("b"), later.get("c")]).toEqual(["half a question", "another", ""]);
  expect(draftsOf("other run").get("a")).toBe("");
  later.set("a", "");
  expect(draftsOf("run").get("a")).toBe("");
});

test.each([
  "my key is sk-proj-abcdefghijklmnop",
  "ghp_abcdefghijklmnopqrstuvwxyz",
  "password = hunter2",
  '"api_key": "abc"',
  "-----BEGIN RSA PRIVATE KEY-----",
  "x".repeat(20_001),
  "  \n ",
])("what is long or looks like a key stays in the page: %.30s", (text) => {
  const drafts = draftsOf("run");
  drafts.set("a", "harmless");
  drafts.set("a", text);
  expect(drafts.get("a")).toBe(text);
  expect(JSON.stringify({ ...sessionStorage })).toBe("{}");
});

test("of many drafts the newest are kept, and nothing of others is touched", () => {
  sessionStorage.setItem("somebody else's", "value");
  const drafts = draftsOf("run");
  for (let i = 0; i < 50; i += 1) drafts.set(`t${String(i)}`, "text");
  expect(sessionStorage.length).toBeLessThanOrEqual(21);
  expect(draftsOf("run").get("t49")).toBe("text");
  expect(sessionStorage.getItem("somebody else's")).toBe("value");
});

test("a page that may not store anything has drafts all the same", () => {
  const refused = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
    throw new DOMException("no", "QuotaExceededError");
  });
  const drafts = draftsOf("run");
  drafts.set("a", "text");
  expect(drafts.get("a")).toBe("text");
  refused.mockRestore();
});

test("the box has what was written before the page was loaded anew", () => {
  const traits = { active: "t", overview: { run: "run", run_id: "r1" } };
  const first = new Composer(new Store(new FakeModel(traits)), fakeShell());
  first.box.value = "half a question";
  first.box.dispatchEvent(new Event("input"));
  const again = new Composer(new Store(new FakeModel(traits)), fakeShell());
  expect(again.box.value).toBe("half a question");
  // Also where the run is known only later, as after a restart of the kernel.
  const model = new FakeModel({ active: "t" });
  const late = new Composer(new Store(model), fakeShell());
  expect(late.box.value).toBe("");
  model.set("overview", { run: "run", run_id: "r1" });
  expect(late.box.value).toBe("half a question");
  late.box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", cancelable: true }));
  expect(new Composer(new Store(new FakeModel(traits)), fakeShell()).box.value).toBe("");
});

function composerOf(model: FakeModel): Composer {
  return new Composer(new Store(model), fakeShell());
}

function write(composer: Composer, text: string): void {
  composer.box.value = text;
  composer.box.dispatchEvent(new Event("input"));
}

test("what is written in one view never appears in another that is open", () => {
  const model = new FakeModel({ active: "t", overview: { run: "run", run_id: "r1" } });
  const [here, there] = [composerOf(model), composerOf(model)];
  write(here, "delete all the f");
  model.set("overview", { run: "run", run_id: "r1", n_failures: 1 });
  expect(there.box.value).toBe("");
  // Nor does the view in which nobody writes take away what the other has kept.
  model.set("active", "u");
  model.set("active", "t");
  expect([here.box.value, there.box.value]).toEqual(["delete all the f", ""]);
  expect(composerOf(model).box.value).toBe("delete all the f");
});

test("another run of the same name has drafts of its own", () => {
  write(composerOf(new FakeModel({ active: "", overview: { run: "run", run_id: "r1" } })), "one");
  const other = new FakeModel({ active: "", overview: { run: "run", run_id: "r2" } });
  expect(composerOf(other).box.value).toBe("");
});

test("what was written before the run was known is kept for it", () => {
  const model = new FakeModel({ active: "t" });
  const composer = composerOf(model);
  write(composer, "early");
  model.set("overview", { run: "run", run_id: "r1" });
  expect(composer.box.value).toBe("early");
  expect(draftsOf("r1").get("t")).toBe("early");
});
