"""One diagnosis by the model for each group of failures.

A group is asked about once, whoever asks first; the others wait for it, and later ones
get it from the cache. What the model says is checked against the logs before it counts;
where nothing of it can be proven, the rules' diagnosis stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from llm_scheduler.agent.budget import Budget
from llm_scheduler.agent.database import AgentDatabase
from llm_scheduler.agent.diagnosis_answer import (
    AnswerError,
    DiagnosisAnswer,
    clean_markdown,
    make_schema,
    read_answer,
)
from llm_scheduler.agent.diagnosis_cache import DiagnosisCache, Outcome
from llm_scheduler.agent.diagnosis_claims import DiagnosisClaims
from llm_scheduler.agent.diagnosis_prompt import MAX_TOKENS, DiagnosisPrompt, make_prompt
from llm_scheduler.agent.json_asking import JSONAsker
from llm_scheduler.agent.judging import adapt, judge_answer
from llm_scheduler.agent.key_hiding import hide_in_diagnosis
from llm_scheduler.agent.known_keys import find_keys
from llm_scheduler.agent.model_choice import (
    close_models,
    find_context_tokens,
    hide,
    make_models,
    name_model,
)
from llm_scheduler.agent.retries import PATIENCE, Patience, ask
from llm_scheduler.agent.run_comparison import gather_facts
from llm_scheduler.agent.usage import EXPECTED_OUTPUT_TOKENS, text_of
from llm_scheduler.config import LLMSettings
from llm_scheduler.diagnosis.groups import Failure
from llm_scheduler.diagnosis.models import Diagnosis
from llm_scheduler.errors import BudgetSpent, LLMSchedulerError, ModelError
from llm_scheduler.logs import LogText, scan_log
from llm_scheduler.tools.run_view import RunView

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

log = logging.getLogger(__name__)

FIRST_REST_S = 30.0
LONGEST_REST_S = 900.0
"""After the model could not be asked, nobody is asked for so long: 400 jobs that fail
together must not knock on a dead server 400 times."""
CLAIM_POLL_S = 1.0
"""How often it is looked whether another kernel has its answer."""
_MAX_REPEATED_CHARS = 3000


class ModelDiagnoser:
    """Asks the model about groups; all calls come from one event loop.

    Parameters
    ----------
    settings
        The model and the limits.
    database
        Where diagnoses are kept.
    budget
        Counts every call.
    models
        Clients of the caller's loop; made at the first call, and closed by `close`, when
        not given.
    on_notice
        Gets a sentence when something is tried again.

    """

    def __init__(
        self,
        settings: LLMSettings,
        database: AgentDatabase,
        *,
        budget: Budget | None,
        models: Sequence[BaseChatModel] | None = None,
        on_notice: Callable[[str], Any] = lambda _: None,
        patience: Patience = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.last_problem = ""
        """Why the last call returned ``None``; empty when it did not."""
        self.could_ask = True
        """Whether nothing kept it from asking the model; then the reason is what it said."""
        self.retry_s: float | None = None
        """In how many seconds it may be asked after all; ``None`` when that is of no use."""
        self.n_asked = 0
        """Groups that the model was asked about."""
        self.n_answers = 0
        """What the model said about groups; what the cache knew does not count."""
        self._cache = DiagnosisCache(database, name_model(settings))
        self._claims = DiagnosisClaims(database, name_model(settings))
        self._budget = budget
        self._models = list(models) if models is not None else None
        self._own_models: list[BaseChatModel] = []
        self._on_notice = on_notice
        self._patience = patience
        self._clock = clock
        self._asker = JSONAsker("diagnosis", make_schema())
        self._gate = asyncio.Semaphore(settings.diagnoses_at_once)
        self._under_way: dict[str, tuple[asyncio.Task[Outcome], list[None]]] = {}
        self._given_up: dict[str, str] = {}
        self._rest_until = 0.0
        self._rest_s = 0.0
        self._rest_reason = ""

    async def diagnose(
        self,
        group_key: str,
        failure: Failure,
        run: RunView,
        *,
        again: bool = False,
        ask: bool = True,
    ) -> Diagnosis | None:
        """Return the model's diagnosis of a failure; ``None`` when the rules' stays.

        `last_problem` then says why.

        Parameters
        ----------
        group_key
            Of the group that the rules put the failure in.
        failure
            With the diagnosis of the rules.
        run
            What else is known.
        again
            Whether to ask also when it was asked, or the model could not be, before.
        ask
            Whether to ask at all; else only what was said before is looked up.

        """
        self.last_problem, self.could_ask, self.retry_s = "", True, None
        rules = failure.rules_diagnosis or failure.by_rules
        if rules is None:
            self.last_problem = "The rules have not looked at this failure yet."
            return None
        failure = failure.model_copy(update={"diagnosis": rules})
        try:
            if again:
                self._rest_until = 0.0
                self._given_up.pop(group_key, None)
                await asyncio.to_thread(self._cache.forget, group_key)
            outcome = await asyncio.to_thread(self._cache.get, group_key)
            if outcome is None and ask:
                outcome = await self._join(group_key, failure, run)
        except LLMSchedulerError as exc:
            self.last_problem, self.could_ask = str(exc), False
            self.retry_s = self._find_pause(group_key)
            return None
        if outcome is None:
            return None
        self.last_problem = outcome.problem
        if outcome.diagnosis is None:
            return None
        found = await asyncio.to_thread(_adapt_to, outcome.diagnosis, failure)
        return hide_in_diagnosis(found, self._find_keys())

    async def is_known(self, group_key: str) -> bool:
        """Tell whether the model was asked about a group already."""
        return await asyncio.to_thread(self._cache.get, group_key) is not None

    async def close(self) -> None:
        """End what is under way, and the connections that were made here."""
        tasks = [task for task, _ in self._under_way.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        models, self._own_models = self._own_models, []
        self._models = None if models else self._models
        await close_models(models)

    async def _join(self, group_key: str, failure: Failure, run: RunView) -> Outcome:
        """Ask, or wait with those who ask about the same group."""
        if group_key not in self._under_way:
            task = asyncio.get_running_loop().create_task(self._ask(group_key, failure, run))
            self._under_way[group_key] = task, []
            task.add_done_callback(lambda done: self._drop(group_key, done))
        task, waiting = self._under_way[group_key]
        waiting.append(None)
        try:
            return await asyncio.shield(task)
        finally:
            waiting.pop()
            if not waiting:  # nobody wants it any more, and nobody may join it
                task.cancel()
                self._drop(group_key, task)

    def _drop(self, group_key: str, task: asyncio.Task[Outcome]) -> None:
        if self._under_way.get(group_key, (None,))[0] is task:
            del self._under_way[group_key]

    async def _ask(self, group_key: str, failure: Failure, run: RunView) -> Outcome:
        # Another kernel may be asking about it just now.
        claim = self._claims.make(group_key)
        async with claim.held(CLAIM_POLL_S):
            outcome = await asyncio.to_thread(self._cache.get, group_key)
            return outcome or await self._ask_now(group_key, failure, run)

    async def _ask_now(self, group_key: str, failure: Failure, run: RunView) -> Outcome:
        async with self._gate:
            self._check_rest(group_key)
            try:
                if self._budget is not None:
                    self._budget.check()
                max_tokens = self._prompt_tokens()  # makes the clients, which have keys, too
                prompt = await asyncio.to_thread(
                    _read_prompt, group_key, failure, run, self._find_keys(), max_tokens
                )
                self.n_asked += 1
                outcome = await self._ask_model(prompt, failure)
            except BudgetSpent:
                raise  # is cheap to find out again
            except ModelError as exc:
                self._rest(group_key, exc)
                raise
        self._rest_s = 0.0
        self.n_answers += 1
        await asyncio.to_thread(self._cache.put, group_key, outcome)
        return outcome

    async def _ask_model(self, prompt: DiagnosisPrompt, failure: Failure) -> Outcome:
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        messages: list[BaseMessage] = [SystemMessage(prompt.system), HumanMessage(prompt.user)]
        text = await self._call(messages, prompt.n_pieces)
        try:
            answer = read_answer(text)
        except AnswerError as exc:
            log.info("the model's diagnosis is asked for again: %s", exc)
            messages += [
                AIMessage(clean_markdown(text, _MAX_REPEATED_CHARS) or "(nothing)"),
                HumanMessage(f"{exc} Answer again, with the JSON object only."),
            ]
            text = await self._call(messages, prompt.n_pieces + len(text) // 3)
            try:
                answer = read_answer(text)
            except AnswerError as error:
                raise ModelError(
                    f"The model gave no diagnosis that can be read: {error}", kind="answer"
                ) from error
        return await asyncio.to_thread(_judge, answer, prompt, failure, self._find_keys())

    def _find_keys(self) -> Collection[str]:
        return find_keys(self.settings, self._models or ())

    def _prompt_tokens(self) -> int:
        """Return how long a prompt may be, for a model that also has to answer."""
        room = find_context_tokens(self.settings, self._clients()[0]) - EXPECTED_OUTPUT_TOKENS
        return min(MAX_TOKENS, room)

    def _clients(self) -> list[BaseChatModel]:
        if self._models is None:
            self._models = self._own_models = make_models(self.settings)
        return self._models

    async def _call(self, messages: Sequence[BaseMessage], n_tokens: int) -> str:
        answer = await ask(
            self._clients(),
            lambda model: self._asker.ask(model, messages, self.settings, self._budget),
            settings=self.settings,
            budget=self._budget,
            on_notice=self._on_notice,
            input_tokens=n_tokens,
            patience=self._patience,
        )
        return hide(text_of(answer), self._find_keys())

    def _rest(self, group_key: str, error: ModelError) -> None:
        """Note that asking was in vain: about this group, or anything."""
        if error.kind in ("answer", "context"):
            self._given_up[group_key] = str(error)
            return
        self._rest_s = min(LONGEST_REST_S, max(FIRST_REST_S, 2 * self._rest_s))
        self._rest_until = self._clock() + self._rest_s
        self._rest_reason = str(error)

    def _find_pause(self, group_key: str) -> float | None:
        """Return after how many seconds a group can be asked about; ``None`` for never."""
        if group_key in self._given_up:
            return None
        rest_s = self._rest_until - self._clock()
        return rest_s if rest_s > 0 else LONGEST_REST_S

    def _check_rest(self, group_key: str) -> None:
        if group_key in self._given_up:
            raise ModelError(self._given_up[group_key], kind="rest")
        if self._clock() < self._rest_until:
            raise ModelError(self._rest_reason, kind="rest", may_pass=True)


def _read_prompt(
    group_key: str, failure: Failure, run: RunView, keys: Collection[str], max_tokens: int
) -> DiagnosisPrompt:
    """Read the logs; in a thread, as they may be large."""
    assert failure.diagnosis is not None
    good = [scan_log(path) for path in _success_logs(run)]
    return make_prompt(
        failure,
        failure.diagnosis,
        [scan_log(path) for path in failure.log_files],
        compare_with=[text for text in good if text.lines],
        facts=gather_facts(group_key, failure, run),
        keys=keys,
        max_tokens=max_tokens,
    )


def _success_logs(run: RunView) -> Sequence[str]:
    try:
        return run.success_logs()
    except Exception:
        log.exception("the logs of a successful job can't be found")
        return ()


def _judge(
    answer: DiagnosisAnswer, prompt: DiagnosisPrompt, failure: Failure, keys: Collection[str]
) -> Outcome:
    assert failure.diagnosis is not None
    outcome = judge_answer(answer, prompt, failure, failure.diagnosis)
    found = outcome.diagnosis
    # What is kept is shown, and may be sent again.
    return outcome if found is None else Outcome(hide_in_diagnosis(found, keys), outcome.problem)


def _adapt_to(diagnosis: Diagnosis, failure: Failure) -> Diagnosis:
    own = set(failure.log_files)
    if diagnosis.job_id == failure.job_id and own.issuperset(
        item.file for item in diagnosis.evidence if item.file
    ):
        return diagnosis
    texts: list[LogText] = [scan_log(path) for path in failure.log_files]
    return adapt(diagnosis, failure, texts)
