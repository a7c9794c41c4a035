"""Real Python clients against a running server: python_clients.py ADDRESS MODEL_NAME TEMPLATE_HAS_TOOLS(0|1).

openai (synchronous and asynchronous), LangChain, the llm command line, ollama."""
import asyncio
import json
import os
import subprocess
import sys
import tempfile

import ollama
import openai
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

address, name, tools_known = sys.argv[1], sys.argv[2], sys.argv[3] == "1"
base = f"http://{address}/v1"
client = openai.OpenAI(base_url=base, api_key="none", max_retries=0)
question = [{"role": "user", "content": "Say hello to Ada."}]
greedy = {"model": "whatever", "messages": question, "temperature": 0, "max_tokens": 16}


class Person(BaseModel, extra="forbid"):
    name: str = Field(max_length=12)
    age: int = Field(ge=0, le=150)


class Weather(BaseModel, extra="forbid"):
    city: str = Field(max_length=12)
    days: int = Field(ge=1, le=9)


def check(what, holds, *facts):
    print(("ok   " if holds else "FAIL ") + what, *(facts if not holds else ()))
    if not holds:
        sys.exit(1)


def refused(what, kind, call):
    try:
        call()
    except kind as error:
        check(what, True)
        return error
    check(what, False, "was not refused")


def openai_python():
    models = client.models.list().data
    check("openai: models.list", [model.id for model in models] == [name])
    check("openai: models.retrieve", client.models.retrieve(name).id == name)
    refused("openai: models.retrieve of another", openai.NotFoundError, lambda: client.models.retrieve("a/b"))
    whole = client.chat.completions.create(**greedy)
    text, usage = whole.choices[0].message.content, whole.usage
    check("openai: chat", bool(text) and usage.total_tokens == usage.prompt_tokens + usage.completion_tokens)
    check("openai: finish", whole.choices[0].finish_reason in ("stop", "length"))
    chunks = list(client.chat.completions.create(**greedy, stream=True, stream_options={"include_usage": True}))
    streamed = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    check("openai: stream is the same text", streamed == text, streamed, text)
    check("openai: usage of stream", chunks[-1].usage.completion_tokens == usage.completion_tokens)
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    check("openai: finish of stream", reasons == [whole.choices[0].finish_reason])
    likely = client.chat.completions.create(**greedy, logprobs=True, top_logprobs=3).choices[0].logprobs.content
    joined = b"".join(bytes(token.bytes) for token in likely).decode()
    check("openai: logprobs", joined.startswith(text) and all(len(token.top_logprobs) == 3 for token in likely))
    done = client.completions.create(model="m", prompt="One, two, three,", max_tokens=8, temperature=0, logprobs=2)
    check("openai: completions", bool(done.choices[0].text) and len(done.choices[0].logprobs.tokens) > 0)
    parts = list(client.completions.create(model="m", prompt="One, two, three,", max_tokens=8, temperature=0, stream=True))
    check("openai: completions stream", "".join(part.choices[0].text for part in parts) == done.choices[0].text)
    tool = {"type": "function", "function": {"name": "now", "description": "<the> 'time' & date", "parameters": {"type": "object", "properties": {}}}}
    with_tools = client.chat.completions.create(**greedy, tools=[tool])
    check("openai: tools", with_tools.choices[0].finish_reason in ("stop", "length", "tool_calls"))
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    history = question + [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "noon"}]
    if tools_known:
        forced_calls(tool, history)
        answered = client.chat.completions.create(**{**greedy, "messages": history}, tools=[tool])
        check("openai: result of a tool", answered.choices[0].message is not None)
    refused("openai: n=2", openai.BadRequestError, lambda: client.chat.completions.create(**greedy, n=2))
    refused("openai: unknown form", openai.BadRequestError, lambda: client.chat.completions.create(**greedy, response_format={"type": "xml"}))
    parsed = client.chat.completions.parse(**{**greedy, "max_tokens": 80}, response_format=Person).choices[0].message.parsed
    check("openai: parse into a model", isinstance(parsed, Person), parsed)
    long = [{"role": "user", "content": "word " * 20000}]
    error = refused("openai: context", openai.BadRequestError, lambda: client.chat.completions.create(**{**greedy, "messages": long}, stream=True))
    check("openai: context error names sizes", error.body["n_ctx"] > 0, error.body)
    stopped = client.chat.completions.create(**greedy, stop=[text[4:8]])
    check("openai: stop", stopped.choices[0].message.content == text[: text.index(text[4:8])])


def forced_calls(tool, history):
    weather = openai.pydantic_function_tool(Weather)
    choice = {"type": "function", "function": {"name": "Weather"}}
    asked = {**greedy, "max_tokens": 120}
    whole = client.chat.completions.create(**asked, tools=[weather], tool_choice=choice)
    call = whole.choices[0].message.tool_calls[0]
    check("openai: a forced call", whole.choices[0].finish_reason == "tool_calls" and Weather.model_validate_json(call.function.arguments) is not None)
    with client.chat.completions.stream(**asked, tools=[weather], tool_choice=choice) as stream:
        final = stream.get_final_completion().choices[0].message.tool_calls[0]
    check("openai: a forced call, streamed", final.function.parsed_arguments == Weather.model_validate_json(call.function.arguments), final)
    result = {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}
    messages = question + [whole.choices[0].message.model_dump(exclude_none=True), result]
    after = client.chat.completions.create(**{**asked, "messages": messages}, tools=[weather])
    check("openai: the answer after the call", after.choices[0].finish_reason in ("stop", "length", "tool_calls"))
    bound = ChatOpenAI(base_url=base, api_key="none", model="m", temperature=0, max_tokens=120, max_retries=0)
    structured = bound.with_structured_output(Weather, method="function_calling").invoke("Weather in Oslo?")
    check("langchain: structured output by a call", isinstance(structured, Weather), structured)


async def openai_async():
    there = openai.AsyncOpenAI(base_url=base, api_key="none", max_retries=0)
    one = await there.chat.completions.create(**greedy)
    many = await asyncio.gather(*(there.chat.completions.create(**greedy) for _ in range(8)))
    same = all(other.choices[0].message.content == one.choices[0].message.content for other in many)
    check("openai: eight at once say the same", same)


def langchain():
    chat = ChatOpenAI(base_url=base, api_key="none", model="m", temperature=0, max_tokens=16, max_retries=0)
    whole = chat.invoke("Say hello to Ada.").content
    check("langchain: invoke", bool(whole))
    check("langchain: stream", "".join(part.content for part in chat.stream("Say hello to Ada.")) == whole)


    structured = ChatOpenAI(base_url=base, api_key="none", model="m", temperature=0, max_tokens=80, max_retries=0)
    person = structured.with_structured_output(Person, method="json_schema").invoke("Who are you?")
    check("langchain: structured output", isinstance(person, Person), person)


def llm_command():
    with tempfile.TemporaryDirectory() as place:
        with open(os.path.join(place, "extra-openai-models.yaml"), "w") as models:
            models.write(f"- model_id: here\n  model_name: whatever\n  api_base: http://{address}/v1\n")
        environment = {**os.environ, "LLM_USER_PATH": place}
        command = [os.path.join(os.path.dirname(sys.executable), "llm"), "-m", "here", "-o", "temperature", "0", "-o", "max_tokens", "16"]
        said = [
            subprocess.run([*command, *more, "Say hello to Ada."], env=environment, capture_output=True, text=True, timeout=120)
            for more in ([], ["--no-stream"])
        ]
    check("llm: streamed and whole", said[0].returncode == 0 and said[0].stdout == said[1].stdout and said[0].stdout.strip(), said)


def ollama_python():
    there = ollama.Client(host=f"http://{address}")
    check("ollama: list", there.list().models[0].model == f"{name}:latest")
    check("ollama: show", "completion" in there.show(name).capabilities)
    check("ollama: ps", there.ps().models[0].model == f"{name}:latest")
    options = {"temperature": 0, "num_predict": 16}
    whole = there.chat(model=name, messages=question, options=options)
    check("ollama: chat", whole.done and bool(whole.message.content))
    parts = list(there.chat(model=name, messages=question, options=options, stream=True))
    check("ollama: chat stream", "".join(part.message.content for part in parts) == whole.message.content and parts[-1].done)
    check("ollama: generate", there.generate(model=name, prompt="Say hello to Ada.", options=options).response == whole.message.content)
    form = Person.model_json_schema()
    held = there.chat(model=name, messages=question, format=form, options={"temperature": 0, "num_predict": 80})
    check("ollama: format", Person.model_validate_json(held.message.content) is not None, held)
    refused("ollama: unknown format", ollama.ResponseError, lambda: there.chat(model=name, messages=question, format={"type": "nonsense"}))


openai_python()
asyncio.run(openai_async())
langchain()
llm_command()
ollama_python()
print(json.dumps({"openai": openai.__version__, "python": sys.version.split()[0]}))
