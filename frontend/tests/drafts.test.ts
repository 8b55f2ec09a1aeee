import { beforeEach, expect, test, vi } from "vitest";
import { Composer } from "../src/composer";
import { Drafts } from "../src/drafts";
import { Store } from "../src/store";
import { FakeModel } from "./fake_model";
import { fakeShell } from "./shell";

beforeEach(() => { sessionStorage.clear(); });

test("a draft is kept for its thread of its run, until it is sent", () => {
  const drafts = new Drafts(() => "run");
  drafts.set("a", "half a question");
  drafts.set("b", "another");
  const later = new Drafts(() => "run");
  expect([later.get("a"), later.get("b"), later.get("c")]).toEqual(["half a question", "another", ""]);
  expect(new Drafts(() => "other run").get("a")).toBe("");
  later.set("a", "");
  expect(new Drafts(() => "run").get("a")).toBe("");
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
  const drafts = new Drafts(() => "run");
  drafts.set("a", "harmless");
  drafts.set("a", text);
  expect(drafts.get("a")).toBe(text);
  expect(JSON.stringify({ ...sessionStorage })).toBe("{}");
});

test("of many drafts the newest are kept, and nothing of others is touched", () => {
  sessionStorage.setItem("somebody else's", "value");
  const drafts = new Drafts(() => "run");
  for (let i = 0; i < 50; i += 1) drafts.set(`t${String(i)}`, "text");
  expect(sessionStorage.length).toBeLessThanOrEqual(21);
  expect(new Drafts(() => "run").get("t49")).toBe("text");
  expect(sessionStorage.getItem("somebody else's")).toBe("value");
});

test("a page that may not store anything has drafts all the same", () => {
  const refused = vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
    throw new DOMException("no", "QuotaExceededError");
  });
  const drafts = new Drafts(() => "run");
  drafts.set("a", "text");
  expect(drafts.get("a")).toBe("text");
  refused.mockRestore();
});

test("the box has what was written before the page was loaded anew", () => {
  const traits = { active: "t", overview: { run: "run" } };
  const first = new Composer(new Store(new FakeModel(traits)), fakeShell());
  first.box.value = "half a question";
  first.box.dispatchEvent(new Event("input"));
  const again = new Composer(new Store(new FakeModel(traits)), fakeShell());
  expect(again.box.value).toBe("half a question");
  // Also where the run is known only later, as after a restart of the kernel.
  const model = new FakeModel({ active: "t" });
  const late = new Composer(new Store(model), fakeShell());
  expect(late.box.value).toBe("");
  model.set("overview", { run: "run" });
  expect(late.box.value).toBe("half a question");
  late.box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", cancelable: true }));
  expect(new Composer(new Store(new FakeModel(traits)), fakeShell()).box.value).toBe("");
});
