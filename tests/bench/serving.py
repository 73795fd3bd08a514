"""GetGrade beside an echo of the same message sizes: one server, 64 callers, mutual TLS and query records on.

Rounds of both take turns. The echo does nothing, so the ratio says what is left for the work of an answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import grpc

from credit_service.cli.connection import Connection, read_profile
from credit_service.cli.settling import wait_until_judged
from credit_service.v1 import grades_pb2, grades_pb2_grpc, subjects_pb2
from tests.bench.echoing import METHOD
from tests.bench.ingest import rounds, send
from tests.stories.processes import server_process

EVENTS = 50_000
CALLERS = 64
CHANNELS = 8
SECONDS = 4.0
ROUNDS = 5
Call = Callable[[], Awaitable[Any]]


def measure_serving() -> dict[str, object]:
    """Returns how many grades are answered for one echo."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        server = stack.enter_context(server_process(folder))
        server.module = "tests.bench.echoing"
        server.start()
        source = Connection(read_profile(server.profile("source")))
        (frames,) = rounds(EVENTS)
        send(source, frames)
        wait_until_judged(source)
        codes = sorted({d.subject.code for f in frames for d in f.events if d.subject.scheme in {"", "USCC"}})
        return asyncio.run(_measure(server.profile("regulator"), [c for c in codes if len(c) == 18]))  # a registry code


async def _measure(profile: str, codes: list[str]) -> dict[str, object]:
    found = read_profile(profile)
    files = (found.ca, found.key, found.certificate)
    credentials = grpc.ssl_channel_credentials(*(Path(file).read_bytes() for file in files))
    channels = [
        grpc.aio.secure_channel(found.target, credentials, options=(("grpc.use_local_subchannel_pool", 1),))
        for _ in range(CHANNELS)
    ]
    stubs: Any = [grades_pb2_grpc.GradeServiceStub(channel) for channel in channels]
    requests = [grades_pb2.GetGradeRequest(subject=subjects_pb2.SubjectRef(code=code)) for code in codes]
    answers = [await stubs[0].GetGrade(request) for request in requests[:50]]
    asked = median(request.ByteSize() for request in requests)
    size = round(median(answer.ByteSize() for answer in answers))
    echoes: Any = [channel.unary_unary(METHOD) for channel in channels]
    question = size.to_bytes(4) + bytes(max(0, round(asked) - 4))
    turn = count()

    def grade(asked: list[Any]) -> Awaitable[Any]:
        n = next(turn)
        answer: Awaitable[Any] = stubs[n % CHANNELS].GetGrade(asked[n % len(asked)])
        return answer

    def echo() -> Awaitable[Any]:
        answer: Awaitable[Any] = echoes[next(turn) % CHANNELS](question)
        return answer

    calls: dict[str, Call] = {
        "echo": echo,
        "kept": partial(grade, requests),
        "judged": partial(grade, [_dated(r) for r in requests]),
    }
    rates: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            rates[name].append(await _rate(call))
    for channel in channels:
        await channel.close()
    ratios = {
        name: [one / echoed for one, echoed in zip(rates[name], rates["echo"], strict=True)]
        for name in ("kept", "judged")
    }
    return {
        "get_grade_ratio_cached": round(median(ratios["kept"]), 3),
        "get_grade_ratio_uncached": round(median(ratios["judged"]), 3),
        "get_grade": {
            "callers": CALLERS, "subjects": len(codes), "answer_bytes": size, "question_bytes": round(asked),
            "per_s": {name: [round(rate) for rate in found] for name, found in rates.items()},
            "ratio_rounds": {name: [round(ratio, 3) for ratio in found] for name, found in ratios.items()},
            "cached": "the kept grade of now, while it stands", "uncached": "as of a stated time: judged when asked",
            "database": "sqlite", "records": "query record durable before each answer; the echo keeps none",
        },
    }  # fmt: skip


def _dated(request: grades_pb2.GetGradeRequest) -> grades_pb2.GetGradeRequest:
    """Asks for a stated time, which no kept grade answers."""
    dated = grades_pb2.GetGradeRequest(subject=request.subject)
    dated.time_frame.as_of_time.GetCurrentTime()
    return dated


async def _rate(call: Call) -> float:
    """Returns the calls a second of all callers together."""
    end, done = time.perf_counter() + SECONDS, 0

    async def ask() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await call()
            done += 1

    begun = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(CALLERS)))
    return done / (time.perf_counter() - begun)
