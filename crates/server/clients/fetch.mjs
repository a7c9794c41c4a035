// Streams an answer with fetch and prints it as it comes: node fetch.mjs URL BODY
const [url, body] = process.argv.slice(2);
const response = await fetch(url, { method: "POST", body });
for await (const piece of response.body.pipeThrough(new TextDecoderStream())) process.stdout.write(piece);
process.exit(response.ok ? 0 : 1);
