"""Many short requests of every kind against a running server: soak.py ADDRESS PID COUNT. Standard library alone.

Every answer is compared with what the same request got alone; memory must not grow after the first tenth; the
server's own counts must add up."""
import asyncio
import json
import random
import re
import sys
import time

address, pid, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
host, port = address.rsplit(":", 1)
random.seed(7)
CHAT = "/v1/chat/completions"


def ask(index):
    greedy = index % 2 == 0
    return {
        "messages": [{"role": "system", "content": "Tell a story."}, {"role": "user", "content": f"Story {index % 40}: once upon a time"}],
        "max_tokens": 1 + index % 7, "temperature": 0 if greedy else 1.0, "seed": index % 40,
    }


async def send(path, body, method="POST"):
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + data)
    return reader, writer


async def reply(path, body, method="POST"):
    reader, writer = await send(path, body, method)
    raw = await reader.read()
    writer.close()
    head, _, rest = raw.partition(b"\r\n\r\n")
    if b"chunked" in head.lower():
        whole = b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            whole, rest = whole + rest[:length], rest[length + 2:]
            if length == 0:
                break
        rest = whole
    return int(head.split()[1]), rest


async def whole(index):
    status, body = await reply(CHAT, ask(index))
    assert status == 200, (status, body)
    return json.loads(body)["choices"][0]["message"]["content"]


async def streamed(index, slow=False):
    status, body = await reply(CHAT, {**ask(index), "stream": True})
    assert status == 200 and body.endswith(b"data: [DONE]\n\n"), (status, body[-200:])
    parts = [json.loads(event[6:]) for event in body.decode().split("\n\n") if event.startswith("data: {")]
    return "".join(part["choices"][0]["delta"].get("content") or "" for part in parts)


async def slow(index):
    reader, writer = await send(CHAT, {**ask(index), "stream": True})
    while await reader.read(64):
        await asyncio.sleep(0.002)
    writer.close()


async def leave(index):
    reader, writer = await send(CHAT, {**ask(index), "stream": True, "max_tokens": 100})
    if random.random() < 0.6:
        await reader.read(random.randrange(1, 2000))
    writer.transport.abort()


def rss():
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


async def metrics():
    _, body = await reply("/metrics", b"", "GET")
    return {line.split()[0]: float(line.split()[1]) for line in body.decode().splitlines() if not line.startswith("#")}


async def one(index, expected, done):
    kind = random.random()
    if kind < 0.35:
        assert await whole(index) == expected[index % 280], index
        done["answered"] += 1
    elif kind < 0.6:
        assert await streamed(index) == expected[index % 280], index
        done["answered"] += 1
    elif kind < 0.65:
        await slow(index)
        done["answered"] += 1
    elif kind < 0.8:
        await leave(index)
    elif kind < 0.9:
        bad = random.choice([b"{", b"[" * 5000, b"\xff\xfe", b"{}", json.dumps({**ask(index), "max_tokens": -9}).encode(), json.dumps({"messages": []}).encode()])
        status, _ = await reply(CHAT, bad)
        assert status == 400, status
    else:
        long = {"messages": [{"role": "user", "content": "word " * 30000}], "stream": True}
        status, body = await reply(CHAT, long)
        assert status == 400 and b"exceed_context_size_error" in body, (status, body)
    done["all"] += 1


async def cancelled():
    """Alone, a request whose client leaves in its prompt or its answer is gone within a second."""
    long = {"messages": [{"role": "user", "content": "word " * 150}], "max_tokens": 1000, "stream": True, "return_progress": True}
    for stage in (rb"prompt_progress", rb'"content":"[^"]'):
        before = (await metrics())["flint_requests_cancelled_total"]
        reader, writer = await send(CHAT, long)
        seen = b""
        while not re.search(stage, seen):
            seen += await reader.read(200)
        writer.transport.abort()
        left = time.time()
        while (now := await metrics())["flint_requests_processing"]:
            assert time.time() - left < 1, now
            await asyncio.sleep(0.01)
        # A short answer may have ended before.
        gone = now["flint_requests_cancelled_total"] - before
        print(f"left at {stage.decode()}: gone after {time.time() - left:.2f} s, {gone:.0f} cancelled")


async def main():
    # Alone, each kind of request once: 280 is a multiple of all the periods in `ask`.
    expected = [await whole(index) for index in range(280)]
    before, began = await metrics(), time.time()
    done, memory, next_index = {"all": 0, "answered": 0}, [], iter(range(count))

    async def worker():
        for index in next_index:
            await asyncio.wait_for(one(index, expected, done), 120)
            if done["all"] % max(count // 10, 1) == 0:
                memory.append(rss())
                print(done["all"], "requests,", memory[-1], "KiB,", round(time.time() - began), "s", flush=True)

    await asyncio.gather(*(worker() for _ in range(12)))
    for _ in range(100):
        after = await metrics()
        if after["flint_requests_processing"] == 0 and after["flint_requests_deferred"] == 0:
            break
        await asyncio.sleep(0.1)
    assert after["flint_requests_processing"] == 0 and after["flint_requests_deferred"] == 0, after
    answered = after["flint_requests_answered_total"] - before["flint_requests_answered_total"]
    # Some who left had their whole answer before they did.
    assert answered >= done["answered"], (answered, done)
    assert after["flint_requests_failed_total"] == before["flint_requests_failed_total"], after
    ended = sum(after[f"flint_requests_{how}_total"] for how in ("answered", "failed", "cancelled"))
    assert after["flint_requests_total"] == ended, after
    await cancelled()
    growth = memory[-1] - memory[0]
    print(f"{done['all']} requests, {done['answered']} compared or read to the end; memory grew by {growth} KiB after the first tenth")
    assert growth < 8192, memory


asyncio.run(main())
