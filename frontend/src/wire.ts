// Made from llm_scheduler/widgets/messages.py by frontend/make_wire.py; do not edit.

export const PROTOCOL = 1;

export type GroupState = "new" | "diagnosing" | "diagnosed" | "fix_proposed" | "fixed" | "held";

export type JobState = "waiting" | "pending" | "running" | "done" | "failed" | "held";

export type PanelMode = "read-only" | "approve" | "yolo";

/** A line that proves something; opens in the log viewer. */
export interface EvidenceLine {
  file: string;
  line: number;
  text: string;
}

/** One thing to do. */
export interface RemedyView {
  kind: string;
  summary: string;
  details: string;
}

/** Why a job failed. */
export interface DiagnosisView {
  category: string;
  title: string;
  explanation: string;
  confidence: number;
  doubts: string[];
  source: "rules" | "model";
  evidence: EvidenceLine[];
  remedies: RemedyView[];
}

/** A cause and the failures it made. */
export interface GroupView {
  key: string;
  thread_id: string;
  title: string;
  category: string;
  count: number;
  state: "new" | "diagnosing" | "diagnosed" | "fix_proposed" | "fixed" | "held";
  n_known: number;
  learners: string[];
  job_ids: string[];
  nodes: string[];
  bad_node: string;
  last_seen: string;
  diagnosis: DiagnosisView;
}

/** What one learner's job does. */
export interface JobView {
  index: number;
  learner: string;
  job_name: string;
  job_id: string;
  state: "waiting" | "pending" | "running" | "done" | "failed" | "held";
  elapsed_s: number | null;
  note: string;
  group: string;
}

/** The state of the run and of the panel's settings. */
export interface Overview {
  protocol: number;
  run: string;
  n_jobs: Record<string, number>;
  n_failures: number;
  n_groups: number;
  n_pending: number;
  problem: string;
  is_closed: boolean;
  mode: "read-only" | "approve" | "yolo";
  model: string;
  how_to_configure: string;
  budget_left: string;
  yolo_changes: number;
  yolo_since: string;
  run_id: string;
  asks_anyway: string;
  quick_prompts: string[];
}

/** One conversation. */
export interface ThreadView {
  id: string;
  title: string;
  kind: "group" | "chat";
  updated: string;
  tokens: number;
  money: number | null;
  is_busy: boolean;
  n_pending: number;
}

/** A proposed change, or one that was decided. */
export interface ApprovalView {
  id: string;
  thread_id: string;
  tool: string;
  kind: string;
  targets: string[];
  summary: string;
  diff: string;
  reason: string;
  risk: string;
  status: "pending" | "approved" | "done" | "rejected" | "void" | "failed";
  message: string;
  replaced_by: string;
  change_id: string;
  can_edit: boolean;
  text: string;
  can_undo: boolean;
  undone: boolean;
}

/** One change that was made. */
export interface ChangeView {
  id: string;
  approval_id: string;
  thread_id: string;
  turn_id: string;
  tool: string;
  summary: string;
  targets: string[];
  diff: string;
  made_at: string;
  by: string;
  undone_by: string;
}

/** A tool call inside an answer. */
export interface ToolCallView {
  call_id: string;
  tool: string;
  arguments: Record<string, unknown>;
  status: "running" | "ok" | "error" | "waiting";
  summary: string;
  output: string;
}

/** One entry of a conversation. */
export interface Item {
  id: string;
  role: "user" | "assistant" | "notice" | "error";
  text: string;
  calls: ToolCallView[];
  approvals: string[];
  turn_id: string;
  at: string;
  is_final: boolean;
  is_stopped: boolean;
}

/** The finished part of a thread, and the number of the last event in it. */
export interface Conversation {
  thread_id: string;
  items: Item[];
  n_earlier: number;
  approvals: ApprovalView[];
  seq: number;
  is_busy: boolean;
}

/** A new entry; text follows. */
export interface ItemAdded {
  type: "item";
  item: Item;
}

/** More text of an entry. */
export interface TextAdded {
  type: "text";
  item_id: string;
  text: string;
}

/** A tool call began or ended. */
export interface CallChanged {
  type: "call";
  item_id: string;
  call: ToolCallView;
}

/** Nothing is added to this entry any more. */
export interface ItemFinished {
  type: "finished";
  item_id: string;
  is_stopped: boolean;
}

/** An entry and all after it were taken back, to be said anew. */
export interface ItemsRemoved {
  type: "removed";
  item_id: string;
}

/** A change was proposed, decided or undone. */
export interface ApprovalChanged {
  type: "approval";
  approval: ApprovalView;
  item_id: string;
}

/** A turn began or ended. */
export interface BusyChanged {
  type: "busy";
  is_busy: boolean;
  status: string;
  doing: string;
}

export type PanelEvent = ItemAdded | TextAdded | CallChanged | ItemFinished | ItemsRemoved | ApprovalChanged | BusyChanged;

/** What happened in one thread, in order; the first has number `seq`. */
export interface Events {
  type: "events";
  thread_id: string;
  seq: number;
  events: (ItemAdded | TextAdded | CallChanged | ItemFinished | ItemsRemoved | ApprovalChanged | BusyChanged)[];
}

/** Something is ready while the user may be elsewhere. */
export interface Notification {
  type: "notification";
  title: string;
  text: string;
  thread_id: string;
}

/** The answer to one request. */
export interface Reply {
  type: "reply";
  request_id: string;
  ok: boolean;
  error: string;
  data: Record<string, unknown>;
}

/** Say something in a thread. */
export interface Send {
  request_id: string;
  type: "send";
  thread_id: string;
  text: string;
}

/** Take back the thread to before an entry of the user and say this instead. */
export interface Resend {
  request_id: string;
  type: "resend";
  thread_id: string;
  item_id: string;
  text: string;
}

/** Stop the turn of a thread. */
export interface Stop {
  request_id: string;
  type: "stop";
  thread_id: string;
}

/** Decide proposed changes. */
export interface Decide {
  request_id: string;
  type: "decide";
  approval_ids: string[];
  decision: "approve" | "reject" | "edit";
  message?: string;
  text?: string;
  scope?: "call" | "turn" | "kind";
}

/** Undo a change, or all of a turn. */
export interface Undo {
  request_id: string;
  type: "undo";
  change_id?: string;
  turn_id?: string;
}

/** Switch what may be changed. */
export interface SetMode {
  request_id: string;
  type: "set_mode";
  mode: "read-only" | "approve" | "yolo";
}

/** Have a thread among the open ones; the reply holds a `Conversation`. */
export interface OpenThread {
  request_id: string;
  type: "open_thread";
  thread_id: string;
  before?: string;
}

/** Make, rename or delete a thread; the reply holds ``thread_id``. */
export interface ChangeThread {
  request_id: string;
  type: "change_thread";
  action: "new" | "rename" | "delete";
  thread_id?: string;
  title?: string;
}

/** Propose what makes the jobs of a group pass. */
export interface Fix {
  request_id: string;
  type: "fix";
  group: string;
}

/** Start the held learners of a group again. */
export interface Release {
  request_id: string;
  type: "release";
  group: string;
}

/** Read a piece of a log; the reply holds a `LogPage`. */
export interface ReadLog {
  request_id: string;
  type: "read_log";
  file: string;
  line?: number;
  offset?: number;
  backwards?: boolean;
}

/** Find the next line with a text; the reply holds a `LogPage` around it. */
export interface SearchLog {
  request_id: string;
  type: "search_log";
  file: string;
  text: string;
  offset?: number;
  backwards?: boolean;
}

/** Complete ``@job``, ``@file`` or ``/command``; the reply holds ``choices`` and ``about``. */
export interface Complete {
  request_id: string;
  type: "complete";
  text: string;
}

/** Search the jobs; the reply holds ``jobs``, a list of `JobView`, and ``n``. */
export interface FindJobs {
  request_id: string;
  type: "find_jobs";
  text?: string;
  states?: ("waiting" | "pending" | "running" | "done" | "failed" | "held")[];
  start?: number;
}

/** Write the conversation to a file; the reply holds ``html``. */
export interface Export {
  request_id: string;
  type: "export";
  thread_id: string;
}

export type PanelRequest = Send | Resend | Stop | Decide | Undo | SetMode | OpenThread | ChangeThread | Fix | Release | ReadLog | SearchLog | Complete | FindJobs | Export;

/** One line of a log. */
export interface LogLine {
  number: number;
  offset: number;
  text: string;
  is_cut: boolean;
  is_rest: boolean;
}

/** A piece of a log. */
export interface LogPage {
  file: string;
  lines: LogLine[];
  begin: number;
  end: number;
  size: number;
  found: number;
  after: number;
  is_searching: boolean;
  problem: string;
}
