"""Uploads become runs: each newest upload is in exactly one list that a run reads, whatever happens to the watcher."""

from __future__ import annotations

import asyncio
import random

import grpc
import pytest

from pagemill.domain.uploads.notifications import Upload
from pagemill.errors import UsageError
from pagemill.uploads.held import HoldTimes
from tests.fakes.pubsub import FakePubSub
from tests.uploads.conftest import LONG, Fate, Killed, Uploads


async def test_uploads_are_gathered_into_one_list_that_one_run_reads(uploads: Uploads) -> None:
    for number in range(30):
        uploads.pubsub.uploaded("scans", f"{number:02}.pdf", number + 1)

    counts = await uploads.watched()

    assert uploads.read() == [Upload("scans", f"{number:02}.pdf", number + 1) for number in range(30)]
    assert (counts.uploads, counts.runs, len(uploads.runs.by_key)) == (30, 1, 1)
    assert uploads.pubsub.settled
    assert str(counts) == "30 uploads in 1 run"


async def test_a_list_has_no_more_uploads_than_it_should(uploads: Uploads) -> None:
    for number in range(25):
        uploads.pubsub.uploaded("scans", f"{number:02}.pdf", 1)

    await uploads.watched(documents=10)

    assert sorted(map(len, uploads.lists().values())) == [5, 10, 10]
    assert len(set(uploads.read())) == 25


async def test_a_list_is_handed_over_when_its_time_is_over_and_the_watcher_goes_on(uploads: Uploads) -> None:
    end = asyncio.Event()
    async with uploads.watcher(seconds=0.01) as watch:
        running = asyncio.create_task(watch.run(end))
        for name in ("a.pdf", "b.pdf"):
            uploads.pubsub.uploaded("scans", name, 1)
            await asyncio.to_thread(uploads.pubsub.wait_until, "settled")
        end.set()
        await running

    assert uploads.read() == [Upload("scans", "a.pdf", 1), Upload("scans", "b.pdf", 1)]
    assert len(uploads.lists()) == 2


async def test_of_an_object_that_is_replaced_the_newest_generation_is_read_in_whatever_order_messages_come(
    uploads: Uploads,
) -> None:
    for generation in (3, 1, 2, 3):
        uploads.pubsub.uploaded("scans", "a.pdf", generation)
    await uploads.watched()
    for generation in (2, 5, 4):
        uploads.pubsub.uploaded("scans", "a.pdf", generation)
    counts = await uploads.watched()

    assert uploads.read() == [Upload("scans", "a.pdf", 3), Upload("scans", "a.pdf", 5)]
    assert uploads.pubsub.settled
    assert counts.runs == 1


async def test_an_older_generation_that_comes_late_gets_no_run(uploads: Uploads) -> None:
    uploads.pubsub.uploaded("scans", "a.pdf", 7)
    await uploads.watched()
    uploads.pubsub.uploaded("scans", "a.pdf", 6)

    counts = await uploads.watched()

    assert uploads.read() == [Upload("scans", "a.pdf", 7)]
    assert uploads.pubsub.settled
    assert str(counts) == "0 uploads in 0 runs; 1 message about uploads in earlier lists"


@pytest.mark.parametrize("most_deliveries", [0, 5])
async def test_what_is_no_upload_of_a_pdf_is_passed_over_with_a_word_and_never_comes_for_ever(
    most_deliveries: int,
) -> None:
    with FakePubSub(most_deliveries=most_deliveries) as pubsub:
        uploads = Uploads(pubsub)
        pubsub.uploaded("scans", "notes.txt", 1)
        pubsub.uploaded("scans", "text/a.pdf/document.md", 1, content_type="text/markdown")
        pubsub.uploaded("scans", "folder/", 1, content_type="application/pdf")
        pubsub.uploaded("scans", "old.pdf", 1, event="OBJECT_DELETE")
        pubsub.uploaded("elsewhere", "a.pdf", 1)
        pubsub.publish({"hello": "world"}, b"\xff")
        pubsub.publish({}, b"[" * 100_000)
        pubsub.uploaded("scans", "a\nb.pdf", 1)
        pubsub.uploaded("scans", "by-type", 2, content_type="application/pdf")
        pubsub.uploaded("scans", "by-name.PDF", 1)

        counts = await uploads.watched("settled", bucket="scans", seconds=0.01)

    assert uploads.read() == [Upload("scans", "by-name.PDF", 1), Upload("scans", "by-type", 2)]
    deliveries = most_deliveries or 1
    assert counts.passed_over == {
        "no PDF": 3,
        "no upload": 1,
        "of another bucket": 1,
        "no notification of Cloud Storage": 3 * deliveries,
    }
    assert len(pubsub.dead_letters) == (3 if most_deliveries else 0)
    assert any("gs://scans/old.pdf (OBJECT_DELETE)" in line for line in uploads.said)


async def test_messages_are_held_as_long_as_they_are_gathered(uploads: Uploads) -> None:
    uploads.pubsub.uploaded("scans", "a.pdf", 1)
    end = asyncio.Event()
    async with uploads.watcher(times=HoldTimes(deadline=60, renewal=0.01)) as watch:
        running = asyncio.create_task(watch.run(end))
        for _ in range(5):
            await asyncio.to_thread(
                uploads.pubsub.wait_for_calls, "ModifyAckDeadline", uploads.pubsub.calls["ModifyAckDeadline"] + 2
            )
            uploads.pubsub.advance(50)
        end.set()
        counts = await running

    assert (counts.uploads, counts.again, uploads.pubsub.settled) == (1, 0, True)
    assert len(uploads.pubsub.acknowledged) == 1


async def test_a_watcher_that_is_told_to_stop_releases_what_it_has_gathered(uploads: Uploads) -> None:
    uploads.pubsub.uploaded("scans", "a.pdf", 1)
    async with uploads.watcher() as watch:
        running = asyncio.create_task(watch.run(asyncio.Event()))
        await asyncio.to_thread(uploads.pubsub.wait_until, "delivered")
        running.cancel()
        await asyncio.wait([running])

    assert running.cancelled()
    assert uploads.pubsub.waits_for_a_subscriber == 1  # it waits for the next watcher, before the deadline is over
    assert not uploads.runs.by_key
    await uploads.watched()
    assert uploads.read() == [Upload("scans", "a.pdf", 1)]


async def test_passing_errors_of_the_service_lose_nothing(uploads: Uploads) -> None:
    for number in range(5):
        uploads.pubsub.uploaded("scans", f"{number}.pdf", 1)
    uploads.pubsub.fail("Pull", grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    uploads.pubsub.fail("ModifyAckDeadline", grpc.StatusCode.INVALID_ARGUMENT)
    uploads.pubsub.fail("Acknowledge", grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION)

    await uploads.watched(documents=5)
    uploads.pubsub.advance(61)
    counts = await uploads.watched("settled", seconds=0.01)

    assert len(uploads.read()) == len(set(uploads.read())) == 5
    assert len(uploads.runs.by_key) == 1
    assert counts.again
    assert any("not acknowledged, to be delivered again" in line for line in uploads.said)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (grpc.StatusCode.NOT_FOUND, "gcloud pubsub subscriptions create uploads --topic=TOPIC --project=my-project"),
        (grpc.StatusCode.PERMISSION_DENIED, "--role=roles/pubsub.subscriber"),
        (grpc.StatusCode.FAILED_PRECONDITION, "has to be a pull subscription"),
        (grpc.StatusCode.UNAUTHENTICATED, "gcloud auth application-default login"),
    ],
)
async def test_a_subscription_that_cannot_be_used_says_what_to_type(
    uploads: Uploads, code: grpc.StatusCode, says: str
) -> None:
    uploads.pubsub.fail("Pull", code)

    with pytest.raises(UsageError, match=says.replace(".", r"\.")):
        await uploads.watched("settled", documents=1) if uploads.pubsub.uploaded("scans", "a.pdf", 1) else None


async def test_two_watchers_of_one_subscription_give_each_upload_to_one_run(uploads: Uploads) -> None:
    for number in range(40):
        uploads.pubsub.uploaded("scans", f"{number}.pdf", 1)

    await asyncio.gather(uploads.watched(documents=7), uploads.watched(documents=7))
    uploads.pubsub.advance(LONG.deadline + 1)
    await uploads.watched("settled", seconds=0.01)

    assert len(uploads.read()) == len(set(uploads.read())) == 40


async def _killed_at(step: int) -> Uploads:
    """Uploads of which the first watcher was killed at a step; a second one was not."""
    with FakePubSub(seed=step) as pubsub:
        uploads = Uploads(pubsub)
        for number in range(6):
            pubsub.uploaded("scans", f"{number}.pdf", 1)
        pubsub.uploaded("scans", "0.pdf", 2)
        fate = Fate(step)
        try:
            await uploads.watched("settled", documents=4, seconds=0.01, fate=fate)
        except* Killed:
            pass
        if not fate.alive:
            pubsub.advance(LONG.deadline + 1)
            await uploads.watched("settled", documents=4, seconds=0.01)
        return uploads


@pytest.mark.parametrize("step", range(1, 40))
async def test_a_watcher_that_is_killed_at_any_step_loses_no_upload_and_gives_none_to_two_runs(step: int) -> None:
    uploads = await _killed_at(step)

    read = uploads.read()
    newest = {upload.name: max(other.generation for other in read if other.name == upload.name) for upload in read}
    assert newest == {"0.pdf": 2, "1.pdf": 1, "2.pdf": 1, "3.pdf": 1, "4.pdf": 1, "5.pdf": 1}
    assert len(read) == len(set(read))


async def test_bursts_with_duplicates_and_kills_become_few_runs_and_nothing_is_lost() -> None:
    chance = random.Random(17)  # noqa: S311 -- no secret
    with FakePubSub(seed=17) as pubsub:
        uploads = Uploads(pubsub)
        for burst in range(3):
            for number in range(burst * 70, burst * 70 + 70):
                for _ in range(chance.choice((1, 1, 2))):
                    pubsub.uploaded("scans", f"{number:03}.pdf", number)
            try:
                await uploads.watched(documents=50, fate=Fate((12, 15, 0)[burst]))
            except* Killed:
                pubsub.advance(LONG.deadline + 1)
            pubsub.deliver_again(0.3)
        await uploads.watched("settled", documents=50, seconds=0.01)

    assert uploads.read() == [Upload("scans", f"{number:03}.pdf", number) for number in range(210)]
    assert len(uploads.lists()) <= 20
