"""Continued steps: if a step decodes the same pages as the previous one, the GPU increments its state by itself.

Before each step vLLM computes where every token goes, and copies a dozen small arrays to the GPU. With an H100 this is
the largest part of its engine thread's time: 0.7 of 2.2 to 2.4 ms a step. If the previous step decoded the same pages,
one token each, all these values are the previous ones plus one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_RECORD = "pagemill_step"  # on vLLM's model runner


@dataclass
class Step:
    """How a step was prepared. All tensors are parts of vLLM's own buffers, with one element for each page."""

    requests: list[str]  # in their order in the batch
    read: Any  # tokens of each page that are computed before the next step; a NumPy array, on the CPU
    positions: Any  # of the step's tokens in their pages
    lengths: tuple[Any, ...]  # of the pages: with the step's tokens, without them, and with them on the CPU
    tokens: Any  # input tokens of the step
    starts: Any  # where each page's tokens start
    last: Any  # indices of the tokens whose logits are needed

    @classmethod
    def of(cls, runner: Any, scheduled: Any, last: Any) -> Step | None:
        """The step that vLLM has just prepared; None if the next step cannot continue it by incrementing."""
        batch, pages = runner.input_batch, runner.input_batch.num_reqs
        if scheduled.total_num_scheduled_tokens != pages or runner.discard_request_mask.np[:pages].any():
            return None  # part of a prompt: the next token to read is not the sampled one
        if _counts_otherwise(runner):
            return None
        lengths = runner.seq_lens, runner.num_computed_tokens, runner.optimistic_seq_lens_cpu
        return cls(
            requests=list(batch.req_ids),
            read=batch.num_computed_tokens_cpu[:pages] + 1,
            positions=runner.positions[:pages],
            lengths=tuple(length[:pages] for length in lengths),
            tokens=runner.input_ids.gpu[:pages],
            starts=runner.query_start_loc.gpu[: pages + 1],
            last=last,
        )

    def is_before(self, runner: Any, scheduled: Any) -> bool:
        """Whether the scheduled step decodes the same pages, one token each, from the tokens of this step."""
        batch, pages = runner.input_batch, len(self.requests)
        return bool(
            scheduled.total_num_scheduled_tokens == pages
            and batch.req_ids == self.requests
            and batch.prev_sampled_token_ids is not None  # they are on the GPU
            and (batch.num_computed_tokens_cpu[:pages] == self.read).all()
        )

    def go_on(self, batch: Any) -> None:
        """Prepare the next step by incrementing this one."""
        pages = len(self.requests)
        batch.block_table.commit_block_table(pages)
        for counter in (self.positions, *self.lengths):
            counter.add_(1)
        self.read += 1
        batch.block_table.compute_slot_mapping(pages, self.starts, self.positions)
        self.tokens.copy_(batch.prev_sampled_token_ids[:, 0], non_blocking=True)


def _counts_otherwise(runner: Any) -> bool:
    """Whether vLLM runs with a feature that needs more preparation; this model and our flags use none of them."""
    return bool(
        runner.speculative_config
        or runner.lora_config
        or runner.enable_prompt_embeds
        or runner.uses_mrope
        or runner.uses_xdrope_dim
        or runner.num_accepted_tokens_event
        or runner.mamba_prev_last_scheduled_idx
        or runner.parallel_config.data_parallel_size > 1  # adds dummy steps that write into the buffers
    )


def input_preparation(prepare: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap vLLM's preparation of a step, which continued steps do not need."""

    def prepare_inputs(self: Any, scheduled: Any, num_scheduled_tokens: Any) -> tuple[Any, Any]:
        step: Step | None = self.__dict__.get(_RECORD)
        if step and step.is_before(self, scheduled):
            step.go_on(self.input_batch)
            return step.last, None
        setattr(self, _RECORD, None)  # so that an error leaves no outdated step
        last, speculated = prepare(self, scheduled, num_scheduled_tokens)
        setattr(self, _RECORD, Step.of(self, scheduled, last))
        return last, speculated

    return prepare_inputs
