import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RequestError, Store } from "../src/store";
import { added, approval, busy, conversation, FakeModel, finished, item, settled, text } from "./fake_model";

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

function opened(changes = {}): { model: FakeModel; store: Store } {
  const model = new FakeModel({ active: "t", conversations: { t: conversation(changes) } });
  return { model, store: new Store(model) };
}

function texts(store: Store, threadId = "t"): string[] {
  return store.thread(threadId).items.map((one) => one.text);
}

test("events in order build up an entry", () => {
  const { model, store } = opened({ seq: 3 });
  model.events("t", 4, busy(true, "", "thinking"), added("i"));
  model.events("t", 6, text("i", "Out of "), text("i", "memory"));
  expect(texts(store)).toEqual(["Out of memory"]);
  expect(store.thread("t")).toMatchObject({ isBusy: true, doing: "thinking", seq: 7 });
  model.events("t", 8, finished("i"), busy(false, "finished"));
  expect(store.thread("t").items[0]?.is_final).toBe(true);
  expect(store.thread("t")).toMatchObject({ isBusy: false, doing: "", status: "finished" });
  expect(model.sent).toEqual([]);
});

test("a page that is loaded in the middle of a turn asks for what the turn has brought", () => {
  const thread = { id: "t", title: "", kind: "chat", updated: "", tokens: 0, money: null, n_pending: 0 };
  const conversations = { t: conversation({ items: [item("i")], seq: 4 }) };
  const asks = (isBusy: boolean): number => {
    const threads = [{ ...thread, is_busy: isBusy }];
    const model = new FakeModel({ active: "t", conversations, threads });
    new Store(model);
    return model.count("open_thread");
  };
  expect(asks(true)).toBe(1);
  expect(asks(false)).toBe(0);
});

test("what was there already is not added twice", () => {
  const { model, store } = opened();
  model.events("t", 1, added("i"), text("i", "ab"));
  model.events("t", 1, added("i"), text("i", "ab"));
  model.events("t", 2, text("i", "ab"), text("i", "cd"));
  expect(texts(store)).toEqual(["abcd"]);
  expect(store.thread("t").seq).toBe(3);
});

test("a gap asks for the thread once and keeps what comes meanwhile", async () => {
  const { model, store } = opened();
  model.events("t", 1, added("i"));
  model.events("t", 4, text("i", "c"));
  model.events("t", 5, text("i", "d"));
  expect(model.count("open_thread")).toBe(1);
  expect(texts(store)).toEqual([""]);
  const whole = conversation({ items: [item("i", { text: "abc", is_final: false })], seq: 4 });
  await model.reply(model.last("open_thread"), whole);
  expect(texts(store)).toEqual(["abcd"]);
  model.events("t", 6, text("i", "e"));
  expect(texts(store)).toEqual(["abcde"]);
});

test("a reply that is older than what comes after it asks again, but not in a circle", async () => {
  const { model, store } = opened();
  model.events("t", 9, text("i", "z"));
  await model.reply(model.last("open_thread"), conversation({ seq: 4 }));
  expect(model.count("open_thread")).toBe(1);
  await vi.advanceTimersByTimeAsync(300);
  expect(model.count("open_thread")).toBe(2);
  const whole = conversation({ items: [item("i", { text: "xy" })], seq: 8 });
  await model.reply(model.last("open_thread"), whole);
  expect(texts(store)).toEqual(["xyz"]);
});

test("after a refused question the next event asks again", async () => {
  const { model } = opened();
  model.events("t", 5, text("i", "z"));
  await model.refuse(model.last("open_thread"), "The thread is gone.");
  await vi.advanceTimersByTimeAsync(300);
  model.events("t", 6, text("i", "z"));
  expect(model.count("open_thread")).toBe(2);
});

test("a view that starts in the middle of an answer asks for the rest", async () => {
  const { model, store } = opened({ items: [item("q", { role: "user", text: "Why?" })], seq: 1, is_busy: true });
  expect(texts(store)).toEqual(["Why?"]);
  model.events("t", 4, text("i", "!"));
  const whole = conversation({
    items: [item("q", { role: "user", text: "Why?" }), item("i", { text: "Mem", is_final: false })],
    seq: 3,
    is_busy: true,
  });
  await model.reply(model.last("open_thread"), whole);
  expect(texts(store)).toEqual(["Why?", "Mem!"]);
});

test("any cutting of the events into messages, with repeats and losses, ends the same", async () => {
  const pieces = Array.from({ length: 40 }, (_, index) => `${String(index)} `);
  const all = [added("i"), ...pieces.map((piece) => text("i", piece)), finished("i")];
  let seed = 7;
  const random = (n: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  for (let round = 0; round < 60; round += 1) {
    const { model, store } = opened();
    let at = 0;
    while (at < all.length) {
      const first = Math.max(0, at - random(4));
      const end = Math.min(all.length, at + 1 + random(6));
      if (random(5)) model.events("t", first + 1, ...all.slice(first, end));
      at = end;
      const asked = model.last("open_thread");
      if (asked && random(2)) {
        model.sent.length = 0;
        const known = all.slice(0, at);
        const so = known.map((event) => (event.type === "text" ? event.text : "")).join("");
        const items = known.length ? [item("i", { text: so, is_final: known.length === all.length })] : [];
        await model.reply(asked, conversation({ items, seq: at }));
      }
    }
    model.events("t", all.length + 1, busy(false, "finished"));
    for (let asked = model.last("open_thread"); asked; asked = model.last("open_thread")) {
      model.sent.length = 0;
      await model.reply(
        asked,
        conversation({ items: [item("i", { text: pieces.join("") })], seq: all.length + 1 }),
      );
      await vi.advanceTimersByTimeAsync(300);
    }
    expect(texts(store)).toEqual([pieces.join("")]);
    expect(store.thread("t").seq).toBe(all.length + 1);
  }
});

test("a trait that is behind the events changes nothing", () => {
  const { model, store } = opened();
  model.events("t", 1, added("i"), text("i", "abc"));
  model.set("conversations", { t: conversation({ items: [], seq: 1 }) });
  expect(texts(store)).toEqual(["abc"]);
  expect(model.sent).toEqual([]);
});

test("a trait that is ahead is waited for, then asked about", async () => {
  const { model, store } = opened();
  model.set("conversations", { t: conversation({ items: [item("i", { text: "a" })], seq: 2 }) });
  model.events("t", 1, added("i"), text("i", "a"));
  await vi.advanceTimersByTimeAsync(300);
  expect(model.count("open_thread")).toBe(0);
  model.set("conversations", { t: conversation({ items: [item("i", { text: "ab" })], seq: 3 }) });
  await vi.advanceTimersByTimeAsync(300);
  expect(model.count("open_thread")).toBe(1);
  expect(texts(store)).toEqual(["a"]);
});

test("another kernel's numbers are taken anew", () => {
  const { model, store } = opened({ items: [item("old", { text: "old" })], seq: 50 });
  model.traits["session"] = "second";
  model.set("conversations", { t: conversation({ items: [item("new", { text: "new" })], seq: 2 }) });
  expect(texts(store)).toEqual(["new"]);
  model.events("t", 3, text("new", "er"));
  expect(texts(store)).toEqual(["newer"]);
});

test("two views of one widget stay equal, and replies go to the one who asked", async () => {
  const model = new FakeModel({ active: "t", conversations: { t: conversation() } });
  const [one, two] = [new Store(model), new Store(model)];
  const asked = one.request({ type: "find_jobs", text: "x" });
  model.events("t", 1, added("i"), text("i", "abc"));
  expect(texts(one)).toEqual(texts(two));
  await model.reply(model.last("find_jobs"), { n: 3 });
  await expect(asked).resolves.toEqual({ n: 3 });
  one.setActive("u");
  expect(two.active).toBe("u");
  one.dispose();
  two.dispose();
  expect(model.nCallbacks).toBe(0);
});

test("the entry of the user and all after it can be taken back", () => {
  const { model, store } = opened({
    items: [item("a"), item("b", { role: "user" }), item("c")],
    seq: 9,
  });
  model.events("t", 10, { type: "removed", item_id: "b" }, added("d"));
  expect(store.thread("t").items.map((one) => one.id)).toEqual(["a", "d"]);
});

test("tool calls begin and end in their entry", () => {
  const { model, store } = opened();
  const call = { call_id: "c", tool: "read_log", arguments: {}, summary: "", output: "" };
  model.events("t", 1, added("i"));
  model.events("t", 2, { type: "call", item_id: "i", call: { ...call, status: "running" } });
  model.events("t", 3, { type: "call", item_id: "i", call: { ...call, status: "ok", output: "x" } });
  expect(store.thread("t").items[0]?.calls).toEqual([{ ...call, status: "ok", output: "x" }]);
});

test("a decided change never waits again, whatever an old trait says", () => {
  const { model, store } = opened({ approvals: [approval("a")] });
  const seen: string[] = [];
  store.on("approval", (one) => { seen.push(one.status); });
  expect(store.pendingApprovals("t")).toHaveLength(1);
  model.events("t", 1, { type: "approval", approval: approval("a", { status: "done" }), item_id: "" });
  model.set("conversations", { t: conversation({ approvals: [approval("a")], seq: 1 }) });
  expect(store.approval("a")?.status).toBe("done");
  expect(seen).toEqual(["done"]);
});

test("many pieces in one message are one repaint", () => {
  const { model, store } = opened({ items: [item("i")] });
  const painted: string[] = [];
  store.on("item", ({ itemId }) => { painted.push(itemId); });
  model.events("t", 1, ...Array.from({ length: 50 }, () => text("i", "x")));
  expect(painted).toEqual(["i"]);
});

test("what is said is seen at once and goes when its entry comes", async () => {
  const { model, store } = opened();
  void store.say("Why?", "t");
  expect(store.outbox("t").map((one) => one.text)).toEqual(["Why?"]);
  await model.reply(model.last("send"));
  expect(store.outbox("t")).toHaveLength(1);
  model.events("t", 1, added("q", { role: "user", text: "Why?" }));
  expect(store.outbox("t")).toEqual([]);
});

test("what could not be sent says why and can be taken out", async () => {
  const { model, store } = opened();
  void store.say("Why?", "t");
  await model.refuse(model.last("send"), "The budget is used up.");
  const [outgoing] = store.outbox("t");
  expect(outgoing?.error).toBe("The budget is used up.");
  store.takeOut("t", outgoing?.id ?? 0);
  expect(store.outbox("t")).toEqual([]);
});

test("a command that is answered in another thread leads there", async () => {
  const { model, store } = opened();
  void store.say("/fix @20", "t");
  await model.reply(model.last("send"), { thread_id: "group-1" });
  expect(store.outbox("t")).toEqual([]);
  expect(store.active).toBe("group-1");
});

test("saying something without a thread makes one", async () => {
  const model = new FakeModel({ active: "" });
  const store = new Store(model);
  void store.say("Hello", "");
  expect(model.last("change_thread")).toMatchObject({ action: "new" });
  await model.reply(model.last("change_thread"), { thread_id: "new" });
  expect(store.active).toBe("new");
  expect(model.last("send")).toMatchObject({ thread_id: "new", text: "Hello" });
});

test("older entries come before those that are there, and stay when it is asked anew", async () => {
  const { model, store } = opened({ items: [item("c"), item("d")], n_earlier: 2, seq: 4 });
  void store.loadEarlier("t");
  expect(model.last("open_thread")).toMatchObject({ before: "c" });
  await model.reply(model.last("open_thread"), conversation({ items: [item("a"), item("b")] }));
  expect(store.thread("t").items.map((one) => one.id)).toEqual(["a", "b", "c", "d"]);
  expect(store.thread("t").nEarlier).toBe(0);
  model.events("t", 9, added("z"));
  const whole = conversation({ items: [item("c"), item("d"), item("e")], n_earlier: 2, seq: 8 });
  await model.reply(model.last("open_thread"), whole);
  expect(store.thread("t").items.map((one) => one.id)).toEqual(["a", "b", "c", "d", "e", "z"]);
});

test("when the kernel goes away every question is answered", async () => {
  const { model, store } = opened();
  const asked = store.request({ type: "stop", thread_id: "t" });
  const refused = expect(asked).rejects.toThrow(RequestError);
  model.fire("comm_live_update");
  await refused;
  await expect(store.request({ type: "stop", thread_id: "t" })).rejects.toThrow(/kernel is gone/);
});

test("a request that gets no answer is asked again under the same id", async () => {
  const { model, store } = opened();
  const asked = store.request({ type: "stop", thread_id: "t" });
  await vi.advanceTimersByTimeAsync(9_000);
  expect(model.count("stop")).toBe(1);
  await vi.advanceTimersByTimeAsync(25_000);
  expect(model.count("stop")).toBe(3);
  expect(new Set(model.sent.map((message) => message.request_id)).size).toBe(1);
  await model.reply(model.last("stop"));
  await asked;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(model.count("stop")).toBe(3);
});

test("a part that fails does not silence the others", () => {
  const { model, store } = opened();
  const log = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const heard = vi.fn();
  store.on("groups", () => { throw new Error("broken"); });
  store.on("groups", heard);
  model.set("groups", []);
  expect(heard).toHaveBeenCalledOnce();
  expect(log).toHaveBeenCalledOnce();
  log.mockRestore();
});

test("a thread that is chosen is loaded, one that is kept is not asked for", async () => {
  const { model, store } = opened();
  store.setActive("t");
  expect(model.count("open_thread")).toBe(0);
  store.setActive("u");
  expect(model.last("open_thread")).toMatchObject({ thread_id: "u" });
  await model.reply(
    model.last("open_thread"),
    conversation({ thread_id: "u", items: [item("i", { text: "hi" })] }),
  );
  await settled();
  expect(texts(store, "u")).toEqual(["hi"]);
});
