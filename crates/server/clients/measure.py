"""What a running server does for eight clients at once: measure.py ADDRESS PID [PART ..]. Standard
library alone. Parts are rates, gaps, turns and memory.

Tokens per second alone and together, the longest gap of others when a prompt of 500 tokens arrives, the second turn of
a long conversation, and memory. Prints a table; fails where a figure is not what it must be."""
import contextlib
import json
import socket
import statistics
import sys
import threading
import time
import urllib.request

address, pid = sys.argv[1], int(sys.argv[2])
host, port = address.rsplit(":", 1)
CLIENTS, TOKENS = 8, 96
rows, failed = [], []


def note(what, value, must=None, holds=True):
    rows.append((what, value, must or ""))
    print(f"{'ok  ' if holds else 'FAIL'} {what}: {value}" + (f" (must be {must})" if must else ""), flush=True)
    if not holds:
        failed.append(what)


def post(path, body):
    request = urllib.request.Request(f"http://{address}{path}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=900) as reply:
        return json.load(reply)


def words(count, seed):
    """A text of about so many tokens, like no other."""
    some = ["river", "stone", "night", "green", "under", "small", "house", "light", "water", "story"]
    return " ".join(some[(seed * 7 + at * at + at // 3) % 10] + (str(seed) if at == 0 else "") for at in range(count))


def stream(messages, most, times=None, seed=1):
    """Streams one answer without an end; gives the moments of its tokens, and its text."""
    body = {"messages": messages, "max_tokens": most, "temperature": 0, "seed": seed, "stream": True, "logprobs": True,
            "logit_bias": ENDLESS}
    data = json.dumps(body).encode()
    times = [] if times is None else times
    text = ""
    with socket.create_connection((host, int(port)), timeout=900) as connection:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + data)
        for line in connection.makefile("rb"):
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            assert "error" not in event, event
            choice = event["choices"][0]
            if choice.get("logprobs"):
                times.extend([time.perf_counter()] * len(choice["logprobs"]["content"]))
            text += choice["delta"].get("content") or ""
    return times, text


def user(text):
    return [{"role": "user", "content": text}]


def rates():
    alone = []
    for seed in range(3):
        times, _ = stream(user(words(20, seed)), TOKENS)
        alone.append((len(times) - 1) / (times[-1] - times[0]))
    one = statistics.median(alone)
    moments = [[] for _ in range(CLIENTS)]
    threads = [threading.Thread(target=stream, args=(user(words(20, 100 + at)), TOKENS, moments[at])) for at in range(CLIENTS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    # The time in which all of them are answered at once.
    begin, end = max(times[0] for times in moments), min(times[-1] for times in moments)
    inside = sum(sum(begin < moment <= end for moment in times) for times in moments)
    assert end > begin, "no moment at which all were answered"
    all_of_them = inside / (end - begin)
    note("tokens per second, one client", f"{one:.1f}")
    note(f"tokens per second, {CLIENTS} clients in all", f"{all_of_them:.1f}")
    ratio = all_of_them / one
    note("ratio", f"{ratio:.2f}", "at least 4", ratio >= 4)


def gaps():
    moments = [[] for _ in range(3)]
    threads = [threading.Thread(target=stream, args=(user(words(20, 200 + at)), 160, moments[at])) for at in range(3)]
    [thread.start() for thread in threads]
    while min(len(times) for times in moments) < 40:
        time.sleep(0.01)
    asked = time.perf_counter()
    first, _ = stream(user(words(500, 300)), 2)
    [thread.join() for thread in threads]
    usual, beside = [], []
    for times in moments:
        for before, after in zip(times, times[1:]):
            if after > before:
                (beside if asked < after < first[0] + 0.05 else usual).append(after - before)
    median, longest = statistics.median(usual), max(beside)
    note("median gap between tokens of three clients, ms", f"{median * 1e3:.1f}")
    note("longest gap while a prompt of 500 words is read, ms", f"{longest * 1e3:.1f}")
    note("first token of that prompt, s", f"{first[0] - asked:.2f}")
    note("longest gap over the median", f"{longest / median:.2f}", "at most 3", longest <= 3 * median)


def turns():
    messages = user(words(1850, 400))
    began = time.perf_counter()
    times, text = stream(messages, 8)
    first = times[0] - began
    messages += [{"role": "assistant", "content": text}, {"role": "user", "content": "And then?"}]
    began = time.perf_counter()
    times, _ = stream(messages, 8)
    second = times[0] - began
    tokens = post("/apply-template", {"messages": messages})["tokens"]
    note(f"first token, first turn of a conversation of {tokens} tokens, s", f"{first:.2f}")
    note("first token, second turn, s", f"{second:.3f}")
    note("second over first", f"{second / first:.3f}", "less than 0.1", second < first / 10)


def group_peak():
    """Most bytes that the control group of the server held, page cache included."""
    with open(f"/proc/{pid}/cgroup") as groups:
        for line in groups:
            _, kinds, path = line.strip().split(":", 2)
            for kind, file in (("memory", f"/sys/fs/cgroup/memory{path}/memory.max_usage_in_bytes"), ("", f"/sys/fs/cgroup{path}/memory.peak")):
                if kinds == kind and path != "/":
                    with contextlib.suppress(OSError), open(file) as peak:
                        return int(peak.read())
    return None


def memory():
    with open(f"/proc/{pid}/status") as status:
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    with urllib.request.urlopen(f"http://{address}/events", timeout=60) as events:
        view = json.loads(next(line for line in events if line.startswith(b"data: "))[6:])
    budget = view["budget"]
    note("weights, MiB", f"{view['weights'] / 2**20:.1f}")
    held = view["held"] / view["weights"]
    note("of which in memory", f"{100 * held:.0f} %", "about half", 0.4 < held < 0.6)
    note("budget of the process, MiB", f"{budget / 2**20:.1f}")
    note("peak resident memory, MiB", f"{peak / 2**20:.1f}", "at most the budget", peak <= budget)
    group = group_peak()
    if group is not None:
        note("peak of its control group, page cache included, MiB", f"{group / 2**20:.1f}", "at most the budget", group <= budget)


end_tokens = [token for text in ("<|im_end|>", "<|endoftext|>") for token in post("/tokenize", {"content": text})["tokens"]]
ENDLESS = {str(token): -100 for token in end_tokens}
for part in (rates, gaps, turns, memory):
    if not sys.argv[3:] or part.__name__ in sys.argv[3:]:
        part()
print("\n| figure | value | must be |\n|---|---|---|")
for row in rows:
    print("| " + " | ".join(row) + " |")
sys.exit(1 if failed else 0)
