"""LiteLLM's proxy in front of two servers, one of which is killed under load: litellm_proxy.py ADDRESS_A ADDRESS_B PID_B.

Every answer must come, and be the one that a server gives alone."""
import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time

import openai

first, second, pid = sys.argv[1], sys.argv[2], int(sys.argv[3])
REQUESTS, TOGETHER, KILL_AFTER = 60, 6, 15
# The proxy wants one, and its clients to show it.
KEY = f"sk-{secrets.token_hex(32)}"


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def ask(index):
    return {"messages": [{"role": "user", "content": f"Story {index}: once upon a time"}], "temperature": 0, "max_tokens": 12}


def config(place):
    path = os.path.join(place, "config.yaml")
    with open(path, "w") as out:
        out.write("model_list:\n")
        for address in (first, second):
            out.write(f"  - model_name: here\n    litellm_params: {{model: openai/m, api_base: 'http://{address}/v1', api_key: none}}\n")
        out.write("router_settings: {num_retries: 4, retry_after: 0, allowed_fails: 1, cooldown_time: 30}\n")
        out.write("litellm_settings: {request_timeout: 60, telemetry: false}\n")
    return path


async def load(port, process):
    alone = openai.AsyncOpenAI(base_url=f"http://{first}/v1", api_key="none")
    proxy = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0)
    for _ in range(180):
        assert process.poll() is None, "the proxy ended"
        try:
            await proxy.models.list()
            break
        except openai.APIConnectionError:
            await asyncio.sleep(1)
    expected = [(await alone.chat.completions.create(model="m", **ask(index))).choices[0].message.content for index in range(REQUESTS)]
    indices, answered = iter(range(REQUESTS)), 0

    async def worker():
        nonlocal answered
        for index in indices:
            if index == KILL_AFTER:
                os.kill(pid, signal.SIGKILL)
            if index % 2:
                said = (await proxy.chat.completions.create(model="here", **ask(index))).choices[0].message.content
            else:
                # A stream that broke off is begun again by the one who asked: a proxy cannot take back what it passed on.
                for attempt in range(3):
                    said = ""
                    try:
                        async for chunk in await proxy.chat.completions.create(model="here", **ask(index), stream=True):
                            said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
                        break
                    except (openai.APIError, openai.APIConnectionError):
                        if attempt == 2:
                            raise
            assert said == expected[index], (index, said, expected[index])
            answered += 1

    await asyncio.gather(*(worker() for _ in range(TOGETHER)))
    print(f"ok   litellm: {answered} of {REQUESTS} answers came through, one server of two was killed at the {KILL_AFTER}th")


with tempfile.TemporaryDirectory() as place:
    port = free_port()
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY}
    command = [os.path.join(os.path.dirname(sys.executable), "litellm"), "--config", config(place), "--host", "127.0.0.1", "--port", str(port)]
    log = open(os.path.join(place, "log"), "w+")
    proxy = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    began = time.time()
    try:
        asyncio.run(load(port, proxy))
    except BaseException:
        log.seek(0)
        print(log.read()[-4000:], file=sys.stderr)
        raise
    finally:
        proxy.terminate()
        proxy.wait(20)
    print(f"litellm: {time.time() - began:.0f} s")
