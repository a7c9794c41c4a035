"""Clients that wait out a prompt of more than a minute: slow_prompt.py ADDRESS NODE_SCRIPT. openai, Node's fetch, curl.

All ask at once for an answer to a prompt that the server is slow to read, and must have its first sign of life at once."""
import json
import subprocess
import sys
import threading
import time

import openai

address, script = sys.argv[1], sys.argv[2]
LEAST = 60
results = {}


def body(seed):
    text = " ".join(f"word{seed}" if at % 9 else f"{seed} and {at}" for at in range(360))
    return {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": 3, "temperature": 0, "stream": True}


def with_openai():
    client = openai.OpenAI(base_url=f"http://{address}/v1", api_key="none", max_retries=0)
    began, first, text, finish = time.time(), None, "", None
    for chunk in client.chat.completions.create(**body(1)):
        first = first or time.time() - began
        text += chunk.choices[0].delta.content or ""
        finish = chunk.choices[0].finish_reason or finish
    return first, time.time() - began, finish


def outside(command):
    began, first = time.time(), None
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = ""
    for line in process.stdout:
        first = first or time.time() - began
        said += line
    whole = process.wait() == 0 and "[DONE]" in said and '"finish_reason":"' in said
    return first, time.time() - began, "length" if whole else said[-300:]


def run(name, call):
    results[name] = call()


url = f"http://{address}/v1/chat/completions"
clients = {
    "openai": with_openai,
    "Node's fetch": lambda: outside(["node", script, url, json.dumps(body(2))]),
    "curl": lambda: outside(["curl", "-sN", "--fail", url, "-d", json.dumps(body(3))]),
}
threads = [threading.Thread(target=run, args=each) for each in clients.items()]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
for name in clients:
    first, whole, finish = results[name]
    good = first < 5 and whole > LEAST and finish in ("length", "stop")
    print(("ok  " if good else "FAIL"), f"{name}: first sign after {first:.1f} s, the end after {whole:.0f} s", *(() if good else (finish,)), flush=True)
    if not good:
        sys.exit(1)
