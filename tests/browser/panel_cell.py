"""The code of the notebook's cell: a panel that a background task feeds."""

import asyncio
from pathlib import Path

from llm_scheduler.diagnosis.models import Diagnosis, Evidence, Remedy
from llm_scheduler.testing.fake_llm_manager import FakeLLMManager
from llm_scheduler.widgets.failures import failures_panel

EVIL = (
    "<img src=http://evil.example/x.png onerror=\"window.hacked=1;alert('hacked')\">"
    "<script>window.hacked=2;alert('hacked')</script>"
)


def proof(file, line, text):
    return Evidence(file=f"/home/ada/run/{file}", line=line, text=text)


HOSTILE = Diagnosis(
    category="unknown",
    cause="hostile",
    title="Hostile " + EVIL,
    explanation=EVIL + "\n\n[link](javascript:alert(1)) ![x](http://evil.example/y.png)",
    evidence=[proof("job-1.out", 7, EVIL)],
    confidence=0.3,
)
NAME_ERROR = Diagnosis(
    category="code_error",
    cause="python-name-error",
    title="`potental` is not defined: Python suggests `potential`",
    explanation="The function `energy` in `physics.py` uses a name that **does not exist**. "
    "It fails at each point, so starting it again can't help.",
    evidence=[
        proof(
            "energy-3.out",
            48,
            "NameError: name 'potental' is not defined. Did you mean: 'potential'?",
        ),
        proof("energy-3.out", 46, '  File "/home/ada/run/physics.py", line 12, in energy'),
        proof("energy-3.out", 47, "    return kinetic(x) + potental(x)"),
    ],
    confidence=0.98,
    remedies=[
        Remedy(
            kind="code",
            summary="Write `potential` instead of `potental`",
            details="Then start the held learners again:\n\n```python\nrm.release()\n```",
            file="/home/ada/run/physics.py",
            line=12,
        )
    ],
)
MEMORY = Diagnosis(
    category="out_of_memory",
    cause="slurm-oom",
    title="Needs more memory than the limit of 4.0 GB (peak 3.9 GB)",
    explanation="The kernel killed the job when it went over its limit.",
    evidence=[
        proof(
            "grid-17.out",
            1203,
            "slurmstepd-n3: error: Detected 1 oom_kill event in StepId=17.batch.",
        ),
        Evidence(file="", line=0, text="State=OUT_OF_MEMORY MaxRSS=4089M ReqMem=4G"),
    ],
    confidence=0.99,
    remedies=[
        Remedy(
            kind="resources",
            summary="Ask for 8 GB",
            details='- in `slurm_run`: `memory="8GB"`\n- for one learner: `memory=("4GB", "8GB")`',
            resources={"memory": "8GB"},
        )
    ],
)
NODE = Diagnosis(
    category="node_failure",
    cause="slurm-node-fail",
    title="Node n7 went down",
    evidence=[
        proof("md-4.out", 3, "slurmstepd: error: *** JOB 4 ON n7 CANCELLED DUE TO NODE FAILURE ***")
    ],
    confidence=0.9,
    remedies=[
        Remedy(kind="resources", summary="Keep jobs off node n7", resources={"exclude": "n7"})
    ],
)

manager = FakeLLMManager()


async def feed():
    for number in range(3):
        manager.fail(NAME_ERROR, f"energy-{number}.pickle", nodes=("n1",), held=True)
    manager.fail(MEMORY, "grid-17.pickle", nodes=("n3",), known=True)
    manager.fail(HOSTILE, nodes=("n2",), note=EVIL)
    manager.n_pending = 2
    manager.notify()
    while not Path("more").exists():
        await asyncio.sleep(0.05)
    for number in range(24):
        manager.fail(NODE, f"md-{number}.pickle", nodes=("n7",))
        await asyncio.sleep(0.02)
    manager.fail(NAME_ERROR, "energy-9.pickle", nodes=("n1",), held=True)
    manager.n_pending = 0
    manager.problem = "sacct does not answer; exit codes and memory are unknown."
    manager.notify()


task = asyncio.get_running_loop().create_task(feed())
panel = failures_panel(manager)
panel  # noqa: B018 - shown by the notebook
