"""Changes of a run: how they are planned, shown, limited and carried out."""

from __future__ import annotations

import json

import pytest

from llm_scheduler.errors import ChangedSince, ToolError
from llm_scheduler.tools import run_changes
from llm_scheduler.tools.change import PlannedChange, invert
from llm_scheduler.tools.run_changes import plan_run_change
from llm_scheduler.tools.run_view import ResourceLimits
from tests.tools.fake_run import make_failure, make_fake_run

L0, L1, L2 = (f"data/l{i}.pickle" for i in range(3))


@pytest.fixture
def run():
    return make_fake_run(
        "held",
        "failed",
        "running",
        "done",
        given={L0: {"memory": "4GB", "time": "01:00:00", "cores": "2"}, L1: {"memory": "4GB"}},
    )


def resources(run, **arguments):
    return plan_run_change(run, "set_resources", {"learners": ["learner 0"], **arguments})


def test_the_whole_change_is_shown(run):
    plan = resources(run, memory="8G", exclude="node7")
    assert plan.diff == (
        f"--- learner:{L0}\n"
        f"+++ learner:{L0}\n"
        "@@ -1,3 +1,3 @@\n"
        "-exclude: (as the run was given)\n"
        "-memory: 4GB\n"
        "+exclude: node7\n"
        "+memory: 8GB\n"
        " time: 01:00:00\n"
    )
    assert plan.summary == f"Ask for memory 8GB, exclude node7 for learner {L0}"
    assert plan.is_about_run
    assert plan.targets == (f"learner:{L0}",)
    assert json.loads(plan.after[0].content) == {
        "exclude": "node7",
        "memory": "8GB",
        "time": "01:00:00",
    }
    assert PlannedChange.model_validate_json(plan.model_dump_json()) == plan


def test_equal_changes_stand_together_with_every_learner_named(run):
    plan = resources(run, learners=["failed", L2], time="2h")
    assert plan.summary == "Ask for time 02:00:00 for 3 learners"
    assert len(plan.before) == 3
    assert plan.diff.count("--- ") == 3
    same = make_fake_run(*["held"] * 40)
    plan = resources(same, learners=["failed"], memory="1GB")
    assert plan.diff.count("--- 40 learners") == 1
    assert all(f" learner:data/l{i}.pickle\n" in plan.diff for i in range(40))


def test_a_name_can_not_lie_in_the_diff():
    run = make_fake_run("held")
    run.learners = [
        type(job)(
            **{name: getattr(job, name) for name in job.__slots__}
            | {"fname": "a\n+memory: 1GB\u202eb"}
        )
        for job in run.learners
    ]
    plan = resources(run, memory="2GB")
    assert "\n+memory: 1GB" not in plan.diff
    assert "\\n+memory: 1GB\\u202eb" in plan.diff


def test_applying_and_taking_back(run):
    plan = resources(run, memory="8GB")
    run_changes.apply(run, plan)
    assert run.resources(L0)["memory"] == "8GB"
    assert run_changes.states_now(run, plan) == plan.after
    with pytest.raises(ChangedSince, match="asks for something else now"):
        run_changes.apply(run, plan)
    run_changes.apply(run, invert(plan))
    assert run.resources(L0)["memory"] == "4GB"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "Say what to ask for"),
        ({"memory": "4GB"}, "already"),
        ({"memory": "--wrap=x"}, "is no amount of memory"),
        ({"memory": ["8GB"]}, "must be a text"),
        ({"time": "soon"}, "is no time limit"),
        ({"exclude": "a b"}, "names no nodes"),
        ({"memory": "65GB"}, "more than 16 times the 4GB"),
        ({"memory": "33GB"}, r"more than partition 'x' has: 32.0 GB"),
        ({"time": "12:00:01"}, "more than partition 'x' has: 12 h"),
        ({"learners": []}, "Name at least one"),
        ({"learners": None, "memory": "8GB"}, "must be a list of texts"),
        ({"learners": [["learner 0"]], "memory": "8GB"}, "must be a list of texts"),
        ({"learners": ["learner 9"], "memory": "8GB"}, "no learner, job or group"),
        ({"learners": ["l9.pickle"], "memory": "8GB"}, r"4 learners \(.*l1.pickle"),
    ],
)
def test_what_can_not_be_planned_is_said(run, arguments, words):
    if arguments.get("memory") != "65GB":
        run.most = ResourceLimits(32 << 30, 12 * 3600, "partition 'x'")
    with pytest.raises(ToolError, match=words):
        resources(run, **arguments)


def test_what_this_scheduler_can_not_set(run):
    run.most = ResourceLimits(settable=("memory", "time"))
    with pytest.raises(ToolError, match="can't set exclude for one learner; it can set: memory"):
        resources(run, exclude="node7")


def test_nodes_are_added_to_those_avoided_already(run):
    run.given[L0]["exclude"] = "node9"
    plan = resources(run, exclude="node7")
    assert json.loads(plan.after[0].content)["exclude"] == "node7,node9"


def test_another_shell_plans_and_can_not_apply(run):
    run.can_control = False
    plan = resources(run, memory="8GB")
    with pytest.raises(ToolError, match="Only the process"):
        run_changes.apply(run, plan)
    assert run.resources(L0)["memory"] == "4GB"


def test_a_half_made_change_is_completed(run):
    plan = resources(run, learners=[L0, L1], memory="8GB")
    run.given[L1]["memory"] = "8GB"
    with pytest.raises(ChangedSince):
        run_changes.apply(run, plan)
    run_changes.finish(run, plan)
    assert run_changes.states_now(run, plan) == plan.after
    run_changes.finish(run, plan)  # nothing is left to do


def test_a_learner_that_is_gone(run):
    plan = resources(run, memory="8GB")
    run.learners = run.learners[1:]
    with pytest.raises(ChangedSince, match="not one of this run any more"):
        run_changes.apply(run, plan)


def restart(run, *names):
    return plan_run_change(run, "restart_learners", {"learners": list(names)})


def test_only_stuck_learners_are_restarted(run):
    plan = restart(run, "learner 0", "learner 1", "learner 2")
    assert plan.summary == "Start 2 learners again"
    run_changes.apply(run, plan)
    assert [job.state for job in run.learners] == ["waiting", "waiting", "running", "done"]
    assert run_changes.states_now(run, plan) == plan.after
    with pytest.raises(ChangedSince, match="has been started again"):
        run_changes.apply(run, plan)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("learner 2", "runs now as job 102"),
        ("learner 3", "has reached its goal"),
        ("data/l2.pickle", "nothing to restart"),
    ],
)
def test_what_needs_no_restart(run, name, words):
    with pytest.raises(ToolError, match=words):
        restart(run, name)


def test_a_restart_and_more_memory_are_two_things(run):
    more, again = resources(run, memory="8GB"), restart(run, "learner 0")
    assert set(more.targets).isdisjoint(again.targets)
    run_changes.apply(run, more)
    run_changes.apply(run, again)
    run_changes.apply(run, invert(again))
    run_changes.apply(run, invert(more))
    assert run.resources(L0)["memory"] == "4GB"
    assert run.learners[0].state == "held"


def test_a_restart_can_not_be_taken_back_when_its_job_runs(run):
    plan = restart(run, "learner 0")
    run_changes.apply(run, plan)
    job = run.learners[0]
    values = {name: getattr(job, name) for name in job.__slots__}
    run.learners[0] = type(job)(**values | {"job_id": "200", "state": "running"})
    # After a crash it counts as done.
    assert run_changes.states_now(run, plan) == plan.after
    with pytest.raises(ChangedSince, match="as job 200"):
        run_changes.apply(run, invert(plan))


def test_an_unknown_tool(run):
    with pytest.raises(ToolError, match="set_resources, restart_learners"):
        plan_run_change(run, "drop_tables", {"learners": ["learner 0"]})


def test_learners_by_group_job_and_name(run):
    from llm_scheduler.tools.learner_names import find_learner, find_learners

    run.failed = [make_failure(run.learners[1], job_id="55")]
    for name in (
        "job 55",
        "55",
        "job 101",
        "101",
        "learner 1",
        "1",
        "l1",
        "run-1",
        "learner:" + L1,
    ):
        assert find_learner(run, name).index == 1, name
    assert [job.index for job in find_learners(run, ["failed", "1"])] == [0, 1]
    run.failed = [make_failure(run.learners[1], job_id="0")]
    with pytest.raises(ToolError, match="'learner 0' or 'job 0'"):
        find_learner(run, "0")
    assert find_learner(run, "job 0").index == 1
    with pytest.raises(ToolError, match="means 2 learners"):
        find_learner(run, "failed")
    with pytest.raises(ToolError, match="No learner has failed"):
        find_learners(make_fake_run("done"), ["failed"])


def test_the_tools_as_offered_carry_out_nothing():
    from llm_scheduler.tools.run_write_tools import RUN_WRITE_TOOLS

    assert [tool.name for tool in RUN_WRITE_TOOLS] == list(run_changes.TOOLS)
    for tool in RUN_WRITE_TOOLS:
        schema = tool.tool_call_schema.model_json_schema()
        assert {"learners", "reason"} <= set(schema["required"])
        assert not {"$defs", "oneOf", "anyOf"} & set(json.dumps(schema).split('"'))
        with pytest.raises(ToolError, match="past the gate"):
            tool.invoke({"learners": ["failed"], "reason": "x"})
