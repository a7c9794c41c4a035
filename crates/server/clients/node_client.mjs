// Node's openai against a running server: node node_client.mjs ADDRESS MODEL_NAME
import OpenAI from "openai";

const [address, name] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `http://${address}/v1`, apiKey: "none", maxRetries: 0 });
const greedy = { model: "m", messages: [{ role: "user", content: "Say hello to Ada." }], temperature: 0, max_tokens: 16 };

function check(what, holds, ...facts) {
  console.log(`${holds ? "ok  " : "FAIL"} node: ${what}`, ...(holds ? [] : facts));
  if (!holds) process.exit(1);
}

const models = (await client.models.list()).data;
check("models", models.length === 1 && models[0].id === name);
const whole = await client.chat.completions.create(greedy);
const text = whole.choices[0].message.content;
check("chat", text.length > 0);
let streamed = "", usage = null;
for await (const chunk of await client.chat.completions.create({ ...greedy, stream: true, stream_options: { include_usage: true } })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
check("stream", streamed === text && usage.completion_tokens === whole.usage.completion_tokens, streamed, text);
const abort = new AbortController();
const stream = await client.chat.completions.create({ ...greedy, max_tokens: 200, stream: true }, { signal: abort.signal });
for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) abort.abort();
check("abort", true);
try {
  await client.chat.completions.create({ ...greedy, n: 3 });
  check("n=3", false);
} catch (error) {
  check("n=3", error.status === 400);
}
