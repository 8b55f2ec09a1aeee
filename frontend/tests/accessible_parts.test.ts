// What axe finds without a layout; contrast and sizes are looked at in a real browser.

import axe from "axe-core";
import { expect, test } from "vitest";

import { ApprovalDesk } from "../src/approvals";
import { ChangesPane } from "../src/changes";
import { DiagnosisPane } from "../src/diagnosis";
import { LogViewer } from "../src/logviewer";
import { ModeSwitch } from "../src/mode";
import { OverviewPane } from "../src/overview";
import { Store } from "../src/store";
import { approval, conversation, FakeModel, item, settled } from "./fake_model";
import { group } from "./group";
import { buttonOf, fakeShell } from "./shell";

// axe takes seconds where the machine is busy.
const TIMEOUT_MS = 60_000;

function opened() {
  const approvals = [
    approval("a", { can_edit: true, text: "x" }),
    approval("b"),
    approval("c", { status: "done", change_id: "ch", can_undo: true }),
    approval("d", { status: "void", replaced_by: "b", message: "It changed." }),
  ];
  const groups = [
    group("k", {
      bad_node: "n1",
      diagnosis: {
        ...group("k").diagnosis,
        doubts: ["Maybe."],
        evidence: [{ file: "/a.out", line: 3, text: "oom" }],
        remedies: [{ kind: "edit", summary: "Less", details: "Use `less`." }],
      },
    }),
    group("k2", { state: "held" }),
  ];
  const store = new Store(
    new FakeModel({
      active: "t",
      overview: { mode: "yolo", n_jobs: { failed: 3 }, problem: "sacct is missing." },
      groups,
      changes: [
        {
          id: "ch", approval_id: "c", thread_id: "t", turn_id: "u", tool: "edit", summary: "Edit",
          targets: ["/a"], diff: "", made_at: "2026-01-01T00:00:00Z", by: "yolo", undone_by: "",
        },
      ],
      conversations: { t: conversation({ approvals, items: [item("i")] }) },
    }),
  );
  const shell = fakeShell();
  const desk = new ApprovalDesk(store, shell);
  const diagnosis = new DiagnosisPane(store, shell);
  diagnosis.show("k");
  const mode = new ModeSwitch(store, shell);
  const logs = new LogViewer(store, shell);
  const cards = approvals.map((each) => desk.card(each.id));
  const panes = [new OverviewPane(store, shell).element, new ChangesPane(store, shell).element];
  shell.root.append(mode.element, mode.banner, ...panes, diagnosis.element, ...cards, desk.bar);
  shell.root.append(logs.element);
  return { shell, cards, mode, logs };
}

async function violations(root: HTMLElement): Promise<string[]> {
  const found = await axe.run(root, { rules: { "color-contrast": { enabled: false } } });
  return found.violations.map((each) => `${each.id}: ${each.nodes[0]?.html ?? ""}`);
}

test("all parts at once", async () => {
  const { shell } = opened();
  expect(await violations(shell.root)).toEqual([]);
}, TIMEOUT_MS);

test("with a menu, a form, a dialog and a log open", async () => {
  const { shell, cards, mode, logs } = opened();
  const [first, second] = cards as [HTMLElement, HTMLElement];
  for (const each of shell.root.querySelectorAll("button")) each.disabled = false;
  buttonOf(first, "Edit").click();
  buttonOf(second, "More ways to approve").click();
  buttonOf(mode.banner, "Show its changes").click();
  logs.open("/a.out", 3);
  await settled();
  expect(await violations(shell.root)).toEqual([]);
}, TIMEOUT_MS);
