"""Steps that write on the same pages: the GPU counts on by itself, and is not told everything again.

Before each step vLLM works out where every token goes, and copies a dozen small arrays to the GPU: 0.7 ms of the 2.2
to 2.4 that its engine's thread takes for a step beside an H100, more than anything else. Where the step before wrote on
the same pages, a token each, all of that is what it was, plus one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_RECORD = "pagemill_step"  # on vLLM's model runner


@dataclass
class Step:
    """How a step was prepared. All tensors are parts of vLLM's own buffers, of one element for each page."""

    requests: list[str]  # in their order in the batch
    read: Any  # tokens of each page that the next step has behind it; NumPy's, on the CPU
    positions: Any  # of its tokens in their pages
    lengths: tuple[Any, ...]  # of the pages: with its tokens, without them, and with them on the CPU
    tokens: Any  # what the step reads
    starts: Any  # where each page's tokens start
    last: Any  # of which tokens the logits are wanted

    @classmethod
    def of(cls, runner: Any, scheduled: Any, last: Any) -> Step | None:
        """What vLLM has just prepared; None where the next step cannot go on from it by counting."""
        batch, pages = runner.input_batch, runner.input_batch.num_reqs
        if scheduled.total_num_scheduled_tokens != pages or runner.discard_request_mask.np[:pages].any():
            return None  # of a prompt: what is read next is not what was sampled
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
        """Tell whether what is scheduled writes on the same pages, a token each, with the tokens of this step."""
        batch, pages = runner.input_batch, len(self.requests)
        return bool(
            scheduled.total_num_scheduled_tokens == pages
            and batch.req_ids == self.requests
            and batch.prev_sampled_token_ids is not None  # they are on the GPU
            and (batch.num_computed_tokens_cpu[:pages] == self.read).all()
        )

    def go_on(self, batch: Any) -> None:
        """Prepare the next step."""
        pages = len(self.requests)
        batch.block_table.commit_block_table(pages)
        for counter in (self.positions, *self.lengths):
            counter.add_(1)
        self.read += 1
        batch.block_table.compute_slot_mapping(pages, self.starts, self.positions)
        self.tokens.copy_(batch.prev_sampled_token_ids[:, 0], non_blocking=True)


def _counts_otherwise(runner: Any) -> bool:
    """Tell whether vLLM runs with something that this model and our flags do not use, and that prepares more."""
    return bool(
        runner.speculative_config
        or runner.lora_config
        or runner.enable_prompt_embeds
        or runner.uses_mrope
        or runner.uses_xdrope_dim
        or runner.num_accepted_tokens_event
        or runner.mamba_prev_last_scheduled_idx
        or runner.parallel_config.data_parallel_size > 1  # makes up steps that write into the buffers
    )


def input_preparation(prepare: Callable[..., Any]) -> Callable[..., Any]:
    """VLLM's preparation of a step, but for a step that only goes on."""

    def prepare_inputs(self: Any, scheduled: Any, num_scheduled_tokens: Any) -> tuple[Any, Any]:
        step: Step | None = self.__dict__.get(_RECORD)
        if step and step.is_before(self, scheduled):
            step.go_on(self.input_batch)
            return step.last, None
        setattr(self, _RECORD, None)  # none is left behind by an error
        last, speculated = prepare(self, scheduled, num_scheduled_tokens)
        setattr(self, _RECORD, Step.of(self, scheduled, last))
        return last, speculated

    return prepare_inputs
