// Shows what the engine said of its last passes.
const at = (id) => document.getElementById(id);
const units = ["B", "KiB", "MiB", "GiB", "TiB"];

function bytes(count) {
  let unit = 0;
  for (; count >= 1024 && unit < units.length - 1; unit++) count /= 1024;
  return `${count >= 100 || unit === 0 ? count.toFixed(0) : count.toPrecision(3)} ${units[unit]}`;
}

const percent = (share) => `${(100 * share).toFixed(share > 0.995 && share < 1 ? 2 : 0)} %`;

function layerRow(index) {
  const row = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = index;
  const bar = document.createElement("span");
  bar.className = "bar";
  for (const kind of ["held", "read"]) {
    const part = document.createElement("span");
    part.className = kind;
    bar.append(part);
  }
  const amount = document.createElement("span");
  amount.className = "amount";
  row.append(name, bar, amount);
  return row;
}

function showLayers(layers) {
  const list = at("layers");
  while (list.children.length < layers.length) list.append(layerRow(list.children.length));
  layers.forEach((layer, index) => {
    const [, bar, amount] = list.children[index].children;
    const total = layer.bytes || 1;
    const held = Math.min(layer.held / total, 1);
    bar.children[0].style.width = `${100 * held}%`;
    bar.children[1].style.width = `${100 * Math.min(layer.read / total, 1 - held)}%`;
    amount.textContent = layer.read ? `${bytes(layer.read)} read` : percent(held);
    list.children[index].title = `layer ${index}: ${bytes(layer.bytes)}, ${bytes(layer.held)} in memory, ${bytes(layer.read)} read in the last pass`;
  });
}

function showSplit(time) {
  const parts = [["wait", "waiting for flash", time.wait], ["other", "predicting and cache", time.other], ["compute", "computing", time.compute]];
  const all = parts.reduce((sum, part) => sum + part[2], 0);
  at("split").replaceChildren(...parts.filter((part) => part[2] > 0).map(([kind, , value]) => {
    const span = document.createElement("span");
    span.className = kind;
    span.style.width = `${(100 * value) / (all || 1)}%`;
    return span;
  }));
  at("split-text").textContent = all
    ? `${all.toFixed(1)} ms: ` + parts.filter((part) => part[2] > 0).map(([, name, value]) => `${name} ${value.toFixed(1)}`).join(", ")
    : "no pass yet";
}

/** Shows one state of the engine. */
export function showView(view) {
  document.title = `Flint – ${view.model}`;
  at("model").textContent = `${view.model}, ${view.mode}, ${view.context} tokens of context`;
  at("state").textContent = view.state;
  at("weights").textContent = bytes(view.weights);
  at("budget").textContent = bytes(view.budget);
  at("held").textContent = percent(Math.min(view.held / view.weights, 1));
  at("speed").textContent = view.speed ? view.speed.toFixed(view.speed < 10 ? 2 : 1) : "–";
  at("rate").textContent = `${bytes(view.rate)}/s`;
  at("perpass").textContent = `${bytes(view.read)} for ${view.rows} ${view.rows === 1 ? "token" : "tokens"}`;
  at("hits").textContent = percent(view.hits);
  at("memory").textContent = `${bytes(view.memory)} of ${bytes(view.budget)}`;
  at("requests").textContent = `${view.running} running, ${view.waiting} waiting`;
  showSplit(view.time);
  showLayers(view.layers);
}
