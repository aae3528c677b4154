from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pagemill_vision import steady
from vllm import SamplingParams
from vllm.config import CacheConfig, SchedulerConfig, VllmConfig, set_current_vllm_config
from vllm.utils import cpu_triton_utils
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.outputs import ModelRunnerOutput, SamplerOutput
from vllm.v1.request import Request, RequestStatus
from vllm.v1.utils import CpuGpuBuffer
from vllm.v1.worker import block_table, gpu_model_runner
from vllm.v1.worker.cpu_model_runner import CPUModelRunner

Methods = dict[tuple[Any, str], Any]
_SEQUENCES, _BUDGET, _BLOCK = 8, 64, 16


class SlotKernel:
    """What vLLM's kernel does, which a CPU without its compiled part has not: the place in the cache of each token."""

    def __getitem__(self, _grid: Any) -> Any:
        return self._launch

    @staticmethod
    def _launch(*arguments: Any, **named: Any) -> None:
        tokens, most, starts, positions, table, _, block, slots = arguments
        assert named["TOTAL_CP_WORLD_SIZE"] == 1
        assert len(slots) == most
        slots[tokens:] = named["PAD_ID"]
        for page, (start, end) in enumerate(itertools.pairwise(starts.tolist())):
            where = positions[start:end]
            slots[start:end] = table[page, where // block].to(torch.int64) * block + where % block


@pytest.fixture
def config(vllm_config: Any, model_config: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[VllmConfig]:
    """Of an engine with short steps, so that prompts take several."""
    monkeypatch.setattr(gpu_model_runner, "is_pin_memory_available", lambda: False)
    monkeypatch.setenv("VLLM_MM_HASHER_ALGORITHM", "sha256")  # the default is a package more
    kernel = SlotKernel()
    monkeypatch.setattr(block_table, "_compute_slot_mapping_kernel", kernel)
    monkeypatch.setattr(cpu_triton_utils, "compute_slot_mapping_kernel", kernel)
    scheduler = SchedulerConfig.default_factory(
        max_num_seqs=_SEQUENCES, max_num_batched_tokens=_BUDGET, max_model_len=8192, enable_chunked_prefill=True
    )
    made = VllmConfig(
        model_config=model_config,
        device_config=vllm_config.device_config,
        scheduler_config=scheduler,
        cache_config=CacheConfig(block_size=_BLOCK, enable_prefix_caching=False),
        compilation_config=vllm_config.compilation_config,
    )
    with set_current_vllm_config(made), torch.inference_mode():
        yield made


class Engine:
    """VLLM's own scheduler and two of its model runners, one with ours; tokens come from dice, not from a model.

    As in the server, a step is scheduled before the tokens of the one before it are known.
    """

    def __init__(self, config: VllmConfig, stock: Any, *, blocks: int) -> None:
        spec = FullAttentionSpec(block_size=_BLOCK, num_kv_heads=8, head_size=128, dtype=torch.bfloat16)
        config.cache_config.num_gpu_blocks = blocks
        cache = KVCacheConfig(blocks, [], [KVCacheGroupSpec(["layer"], spec)])
        structured: Any = SimpleNamespace(should_advance=lambda _request: False)
        self.scheduler = AsyncScheduler(config, cache, structured, _BLOCK)
        self.stock, self.ours = (CPUModelRunner(config, torch.device("cpu")) for _ in range(2))
        self._prepare = {self.stock: stock, self.ours: steady.input_preparation(self._counted(stock))}
        for runner in self._prepare:
            runner.use_async_scheduling, runner.kv_cache_config = True, cache
            _apart(runner)
        self.prepared = self.steps = self.preempted = 0
        self._dice, self._number = random.Random(0), 0  # noqa: S311 -- dice
        self._under_way: deque[tuple[Any, ModelRunnerOutput]] = deque()

    def _counted(self, prepare: Any) -> Any:
        def counted(*args: Any) -> Any:
            self.prepared += 1
            return prepare(*args)

        return counted

    def add(self, prompt: int, tokens: int) -> str:
        """A page, with a prompt and an answer of so many tokens."""
        self._number += 1
        name, params = f"page {self._number}", SamplingParams(max_tokens=tokens, ignore_eos=True)
        self.scheduler.add_request(Request(name, [self._dice.randrange(9999) for _ in range(prompt)], params, None))
        return name

    def abort(self, request_id: str) -> None:
        self.scheduler.finish_requests(request_id, RequestStatus.FINISHED_ABORTED)

    def run(self, steps: int | None = None) -> None:
        """So many steps, or until nothing is left; both runners are compared after each."""
        while self.scheduler.has_requests() and (steps is None or steps > 0):
            steps = None if steps is None else steps - 1
            scheduled = self.scheduler.schedule()
            for runner in self._prepare:
                runner._update_states(scheduled)  # noqa: SLF001 -- the way of a step through vLLM's runner, as below
            if scheduled.total_num_scheduled_tokens:
                self._under_way.append((scheduled, self._step(scheduled)))
            if self._under_way and (len(self._under_way) == 2 or not scheduled.total_num_scheduled_tokens):
                self.scheduler.update_from_output(*self._under_way.popleft())

    def _step(self, scheduled: Any) -> ModelRunnerOutput:
        self.steps += 1
        self.preempted += len(scheduled.scheduled_cached_reqs.resumed_req_ids)
        seen = []
        for runner, prepare in self._prepare.items():
            tokens = [scheduled.num_scheduled_tokens[name] for name in runner.input_batch.req_ids]
            counts = torch.tensor(tokens, dtype=torch.int32).numpy()
            last, speculated = prepare(runner, scheduled, counts)
            seen.append((_told(runner, sum(tokens)), last, speculated))
        _assert_same(*seen)
        sampled = torch.tensor([[self._dice.randrange(9999)] for _ in tokens], dtype=torch.int32)
        return [self._sampled(runner, scheduled, sampled) for runner in self._prepare][-1]

    @staticmethod
    def _sampled(runner: Any, scheduled: Any, sampled: torch.Tensor) -> ModelRunnerOutput:
        total = scheduled.total_num_scheduled_tokens
        runner.input_batch.prev_sampled_token_ids = None
        output, states = SamplerOutput(sampled.clone(), None), torch.zeros(total, 1)
        *_, names, places, invalid = runner._bookkeeping_sync(scheduled, output, None, states, total)  # noqa: SLF001
        tokens = [[] if row in invalid else ids for row, ids in enumerate(sampled.tolist())]
        return ModelRunnerOutput(req_ids=names, req_id_to_index=places, sampled_token_ids=tokens)


def _apart(runner: Any) -> None:
    """Buffers for a GPU that are not those of the CPU, as a GPU has them: what is not copied is not there."""
    tables = (table for table in runner.input_batch.block_table.block_tables)
    for owner in (runner, *tables):
        for buffer in vars(owner).values():
            if isinstance(buffer, CpuGpuBuffer):
                buffer.gpu = buffer.cpu.clone()


def _told(runner: Any, tokens: int) -> dict[str, torch.Tensor]:
    """What the model, the attention and the sampler are told of a step."""
    batch, pages = runner.input_batch, runner.input_batch.num_reqs
    table = batch.block_table[0]
    told = {
        "tokens": runner.input_ids.gpu[:tokens],
        "positions": runner.positions[:tokens],
        "lengths": runner.seq_lens,
        "lengths on the CPU": runner.optimistic_seq_lens_cpu,
        "tokens behind": runner.num_computed_tokens[:pages],
        "starts": runner.query_start_loc.gpu,
        "starts on the CPU": runner.query_start_loc.cpu,
        "slots": table.slot_mapping.gpu[:tokens],
        "blocks": table.block_table.gpu[:pages],
        "not sampled": runner.discard_request_mask.gpu[:pages],
    }
    return {name: tensor.clone() for name, tensor in told.items()}


def _assert_same(stock: tuple[Any, ...], ours: tuple[Any, ...]) -> None:
    for name, told in stock[0].items():
        assert torch.equal(ours[0][name], told), name
    assert torch.equal(ours[1], stock[1])
    assert ours[2] is stock[2] is None


@pytest.fixture
def prepare(stock: Methods) -> Any:
    """VLLM's own preparation."""
    return stock[gpu_model_runner.GPUModelRunner, "_prepare_inputs"]


def test_a_step_that_goes_on_is_what_vllm_would_have_prepared(config: VllmConfig, prepare: Any) -> None:
    engine = Engine(config, prepare, blocks=1000)
    for prompt, tokens in ((5, 90), (100, 60), (33, 40), (16, 75)):
        engine.add(prompt, tokens)
    engine.run()

    assert engine.steps >= 90
    assert engine.prepared < 20  # three prompts, and four pages that end one after another


def test_pages_that_come_and_go_at_any_time_change_nothing(config: VllmConfig, prepare: Any) -> None:
    engine, dice = Engine(config, prepare, blocks=1000), random.Random(1)  # noqa: S311
    names: list[str] = []
    for _ in range(60):
        names += [engine.add(dice.randrange(1, 150), dice.randrange(1, 60)) for _ in range(dice.randrange(3))]
        if names and dice.random() < 0.2:
            engine.abort(names.pop(dice.randrange(len(names))))
        engine.run(dice.randrange(1, 15))
    engine.run()

    assert engine.steps > 300
    assert 50 < engine.prepared < engine.steps


def test_a_page_that_has_to_wait_for_memory_goes_on_where_it_was(config: VllmConfig, prepare: Any) -> None:
    engine = Engine(config, prepare, blocks=24)
    for prompt in (40, 50, 60, 70, 30):
        engine.add(prompt, 80)
    engine.run()

    assert engine.preempted > 0
    assert engine.prepared < engine.steps


def test_a_prompt_that_is_read_token_by_token_beside_other_pages_is_not_taken_for_an_answer(
    config: VllmConfig, prepare: Any
) -> None:
    config.scheduler_config.max_num_batched_tokens = _SEQUENCES
    engine = Engine(config, prepare, blocks=1000)
    for _ in range(_SEQUENCES - 1):
        engine.add(1, 90)
    engine.run(3)
    engine.add(40, 30)
    engine.run()

    assert 40 < engine.prepared < 60 < engine.steps


def _other_pages(step: steady.Step, _batch: Any, _scheduled: Any) -> None:
    step.requests = ["page 7"]


def _other_tokens(step: steady.Step, _batch: Any, _scheduled: Any) -> None:
    step.read -= 1


def _tokens_that_are_elsewhere(_step: steady.Step, batch: Any, _scheduled: Any) -> None:
    batch.prev_sampled_token_ids = None


def _more_tokens(_step: steady.Step, _batch: Any, scheduled: Any) -> None:
    scheduled.total_num_scheduled_tokens += 1


@pytest.mark.parametrize("change", [_other_pages, _other_tokens, _tokens_that_are_elsewhere, _more_tokens])
def test_what_does_not_go_on_from_the_step_before_is_prepared_by_vllm(
    change: Any, config: VllmConfig, prepare: Any
) -> None:
    engine = Engine(config, prepare, blocks=1000)
    engine.add(5, 9)
    engine.run(3)
    step, scheduled = engine.ours.pagemill_step, SimpleNamespace(total_num_scheduled_tokens=1)
    engine.ours.input_batch.num_computed_tokens_cpu[0] += 1
    assert step.is_before(engine.ours, scheduled)

    change(step, engine.ours.input_batch, scheduled)

    assert not step.is_before(engine.ours, scheduled)


@pytest.mark.parametrize(
    ("name", "value"), [("uses_mrope", True), ("lora_config", object()), ("speculative_config", object())]
)
def test_what_prepares_more_is_left_to_vllm(name: str, value: Any, config: VllmConfig, prepare: Any) -> None:
    engine = Engine(config, prepare, blocks=1000)
    engine.add(5, 3)
    engine.run(3)
    assert engine.ours.pagemill_step

    setattr(engine.ours, name, value)

    assert steady.Step.of(engine.ours, SimpleNamespace(total_num_scheduled_tokens=1), None) is None


@pytest.mark.parametrize(("tokens", "goes_on"), [(1, True), (64, False)])
def test_only_a_step_of_a_token_a_page_is_one_to_go_on_from(
    tokens: int, config: VllmConfig, prepare: Any, *, goes_on: bool
) -> None:
    engine = Engine(config, prepare, blocks=1000)
    engine.add(5, 3)
    engine.run(3)

    step = steady.Step.of(engine.ours, SimpleNamespace(total_num_scheduled_tokens=tokens), None)
    assert (step is not None) == goes_on


def test_an_error_leaves_nothing_to_go_on_from(config: VllmConfig, prepare: Any) -> None:
    engine = Engine(config, prepare, blocks=1000)
    engine.add(5, 20)
    engine.run(4)
    assert engine.ours.pagemill_step

    def broken(*_args: Any) -> Any:
        raise RuntimeError("CUDA error")

    other = SimpleNamespace(total_num_scheduled_tokens=2)
    with pytest.raises(RuntimeError, match="CUDA error"):
        steady.input_preparation(broken)(engine.ours, other, None)
    assert engine.ours.pagemill_step is None
