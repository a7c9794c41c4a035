"""Attacks that take a while: attacks.py ADDRESS. Standard library alone. Others must be answered meanwhile.

A thousand connections that say nothing, heads and bodies that come a byte at a time, foreign names, bodies that are too
long or too deep, numbers beyond all bounds, paths that climb."""
import http.client
import json
import resource
import socket
import sys
import threading
import time

address = sys.argv[1]
host, port = address.rsplit(":", 1)
CHAT = "/v1/chat/completions"
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
ask = {"messages": [{"role": "user", "content": "Once upon a time"}], "max_tokens": 4, "temperature": 0}


def check(what, holds, *facts):
    print(("ok   " if holds else "FAIL ") + what, *(facts if not holds else ()), flush=True)
    if not holds:
        sys.exit(1)


def connect():
    return socket.create_connection((host, int(port)), timeout=100)


def send(method, path, body=b"", headers=()):
    connection = http.client.HTTPConnection(host, int(port), timeout=100)
    connection.putrequest(method, path, skip_host=any(name == "Host" for name, _ in headers))
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    try:
        connection.send(body)
    except OSError:
        pass  # It was refused before all of it was sent.
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply.status, text


def answered():
    status, text = send("POST", CHAT, json.dumps(ask).encode())
    return json.loads(text)["choices"][0]["message"]["content"] if status == 200 else None


def closed_after(connection, pieces, pause, most):
    """Seconds until the server ends a connection on which pieces come slowly."""
    began = time.time()
    connection.settimeout(most)
    try:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
            if time.time() - began > most:
                return None
            connection.setblocking(False)
            try:
                if connection.recv(1 << 16) == b"":
                    return time.time() - began
            except BlockingIOError:
                pass
            connection.settimeout(most)
        while connection.recv(1 << 16):
            pass
    except OSError:
        pass
    return time.time() - began


def refused():
    for name, value in (("Host", "evil.example"), ("Origin", "http://evil.example"), ("Origin", "null")):
        check(f"foreign {name} {value}", send("GET", "/v1/models", headers=[(name, value)])[0] == 403)
    check("33 MiB", send("POST", CHAT, b" " * (33 << 20))[0] == 413)
    check("depth of 10,000", send("POST", CHAT, b"[" * 10000 + b"]" * 10000)[0] == 400)
    check("no UTF-8", send("POST", CHAT, b'{"messages": "\xff"}')[0] == 400)
    for name in ("max_tokens", "top_k", "n", "top_logprobs", "repeat_last_n"):
        for value in (-(2**63), 2**64 - 1, -9, 1e308):
            status, text = send("POST", CHAT, json.dumps({**ask, name: value}).encode())
            check(f"{name} {value}", status == 400, status, text)
    huge = json.dumps(ask)[:-1] + ', "max_tokens": ' + "9" * 5000 + "}"
    check("a number of 5,000 digits", send("POST", CHAT, huge.encode())[0] == 400)
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/models/..%2f..%2fetc%2fpasswd", "/page.css/../../etc/passwd", "/v1/models/%00", "//etc/passwd", "/api/tags/..", "/" + "a" * 5000):
        status, text = send("GET", path)
        check(f"path {path[:40]}", 400 <= status < 500 and b"root:" not in text, status)


first = answered()
check("an answer before", bool(first))
idle = [connect() for _ in range(1000)]
check("an answer beside 1,000 connections that say nothing", answered() == first)
refused()
results = {}
slow = {
    "head": ([bytes([byte]) for byte in b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 50], 1.0),
    "body": ([f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n".encode()] + [b" "] * 200, 1.0),
}
threads = [threading.Thread(target=lambda name=name: results.__setitem__(name, closed_after(connect(), *slow[name], 95))) for name in slow]
[thread.start() for thread in threads]
while any(thread.is_alive() for thread in threads):
    check("an answer beside slow ones", answered() == first)
    time.sleep(10)
check("a slow head is ended within 40 s", results["head"] is not None and results["head"] < 40, results)
check("a slow body is ended within 70 s", results["body"] is not None and results["body"] < 75, results)
gone = 0
for connection in idle:
    connection.settimeout(60)
    try:
        gone += connection.recv(100) == b"" or True
    except (ConnectionError, TimeoutError) as error:
        gone += isinstance(error, ConnectionError)
    connection.close()
check("connections that said nothing were ended", gone == 1000, gone)
check("an answer after", answered() == first)
