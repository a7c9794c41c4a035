// The page of a Flint server: a conversation, and what the engine does meanwhile.
import { showView } from "./view.js";

const at = (id) => document.getElementById(id);
const messages = [];
let answering = null;

const key = () => at("key").value.trim();
const headers = () => ({
  "Content-Type": "application/json",
  ...(key() ? { Authorization: `Bearer ${key()}` } : {}),
});

/** The data of the events of a response, one after the other. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const event = text.slice(0, end);
      if (event.startsWith("data: ")) yield event.slice(6);
    }
  }
}

async function problem(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `the server answered ${response.status}`;
  }
}

function bubble(role) {
  const item = document.createElement("li");
  item.className = role;
  at("messages").append(item);
  return item;
}

/** Keeps the end in sight for whoever is there already. */
function follow(change) {
  const list = at("messages");
  const near = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  change();
  if (near) list.scrollTop = list.scrollHeight;
}

function buttons() {
  const busy = answering !== null;
  at("send").disabled = busy;
  at("stop").disabled = !busy;
  at("clear").disabled = busy;
  at("retry").disabled = busy || !messages.some((message) => message.role === "user");
}

function request() {
  const system = at("system").value.trim();
  const body = {
    messages: [...(system ? [{ role: "system", content: system }] : []), ...messages],
    stream: true,
    stream_options: { include_usage: true },
    return_progress: true,
  };
  for (const [id, name] of [["temperature", "temperature"], ["most", "max_tokens"], ["seed", "seed"]]) {
    if (at(id).value !== "") body[name] = Number(at(id).value);
  }
  return body;
}

async function answer() {
  const abort = (answering = new AbortController());
  const item = bubble("assistant");
  const parts = { content: "", reasoning_content: "" };
  let thoughts = null;
  const text = document.createTextNode("");
  buttons();
  at("notice").textContent = "";
  try {
    const body = JSON.stringify(request());
    const response = await fetch("v1/chat/completions", { method: "POST", headers: headers(), body, signal: abort.signal });
    if (!response.ok) throw new Error(await problem(response));
    for await (const data of events(response)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      const progress = chunk.prompt_progress;
      if (progress) item.dataset.waits = `reading the prompt: ${progress.processed} of ${progress.total} tokens`;
      const delta = chunk.choices?.[0]?.delta ?? {};
      for (const name of Object.keys(parts)) parts[name] += delta[name] ?? "";
      follow(() => {
        if (parts.reasoning_content && !thoughts) {
          thoughts = document.createElement("span");
          thoughts.className = "thoughts";
          item.prepend(thoughts);
        }
        if (thoughts) thoughts.textContent = parts.reasoning_content;
        if (parts.content && !text.parentNode) item.append(text);
        text.data = parts.content;
      });
      if (chunk.choices?.[0]?.finish_reason === "length") at("notice").textContent = "The answer was cut: most tokens, or the end of the context.";
    }
  } catch (error) {
    at("notice").textContent = error.name === "AbortError" ? "Stopped." : error.message;
  }
  if (parts.content) messages.push({ role: "assistant", content: parts.content });
  else item.remove();
  answering = null;
  buttons();
  at("question").focus();
}

function say(text) {
  messages.push({ role: "user", content: text });
  follow(() => (bubble("user").textContent = text));
  at("messages").scrollTop = at("messages").scrollHeight;
  answer();
}

function showMessages() {
  at("messages").replaceChildren();
  for (const message of messages) bubble(message.role).textContent = message.content;
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("question").value.trim();
  if (!text || answering) return;
  at("question").value = "";
  say(text);
});
at("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("ask").requestSubmit();
  }
});
at("stop").addEventListener("click", () => answering?.abort());
at("retry").addEventListener("click", () => {
  while (messages.length && messages.at(-1).role !== "user") messages.pop();
  showMessages();
  if (messages.length) answer();
});
at("clear").addEventListener("click", () => {
  messages.length = 0;
  showMessages();
  at("notice").textContent = "";
  buttons();
});

/** Follows the engine for as long as the page is open. */
async function watch() {
  for (;;) {
    try {
      const response = await fetch("events", { headers: headers() });
      if (response.status === 401) at("state").textContent = "needs an API key (settings)";
      else if (!response.ok) at("state").textContent = await problem(response);
      else for await (const data of events(response)) showView(JSON.parse(data));
    } catch {
      at("state").textContent = "not connected";
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

buttons();
watch();
