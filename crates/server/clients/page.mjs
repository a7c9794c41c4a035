// The page in a headless browser: node page.mjs ADDRESS CHROMIUM DIRECTORY_FOR_SCREENSHOTS
import puppeteer from "puppeteer-core";

const [address, executablePath, out] = process.argv.slice(2);
const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
const problems = [];
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
page.on("pageerror", (error) => problems.push(String(error)));
page.on("request", (request) => {
  const url = new URL(request.url());
  if (url.host !== address && url.protocol !== "data:") problems.push(`asks for ${request.url()}`);
});

function check(what, holds, ...facts) {
  console.log(`${holds ? "ok  " : "FAIL"} page: ${what}`, ...(holds ? [] : facts));
  if (!holds) process.exit(1);
}
const text = (selector) => page.$eval(selector, (element) => element.textContent);
const answers = () => page.$$eval("#messages li.assistant", (items) => items.map((item) => item.textContent));
const until = (what, holds) => page.waitForFunction(holds, { timeout: 60000 }).then(() => check(what, true));

await page.setViewport({ width: 1200, height: 900 });
await page.goto(`http://${address}/`);
await until("the engine is seen", () => document.getElementById("state").textContent === "idle");
check("layers are shown", (await page.$$("#layers li")).length > 0);
await page.$eval("#settings", (details) => (details.open = true));
await page.type("#most", "60");
await page.type("#seed", "3");
await page.$eval("#settings", (details) => (details.open = false));
await page.type("#question", "Once upon a time");
await page.keyboard.press("Enter");
await until("an answer is streamed", () => document.querySelector("#messages li.assistant")?.textContent.length > 3);
await until("the view moves", () => document.getElementById("speed").textContent !== "–");
await until("the answer ends", () => document.getElementById("stop").disabled);
const [first] = await answers();
await page.click("#retry");
await until("it is asked again", () => document.getElementById("stop").disabled && document.querySelectorAll("#messages li.assistant").length === 1);
check("the same seed says the same", (await answers())[0] === first, first, await answers());
await page.screenshot({ path: `${out}/light.png` });
await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
await page.screenshot({ path: `${out}/dark.png` });
await page.setViewport({ width: 380, height: 800 });
await page.screenshot({ path: `${out}/narrow.png`, fullPage: true });
const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
check("a narrow window needs no scrolling to the side", wide <= 0, wide);
await page.setViewport({ width: 1200, height: 900 });
await page.$eval("#most", (input) => (input.value = "200"));
await page.type("#question", "Go on");
await page.click("#send");
await until("another answer begins", () => [...document.querySelectorAll("#messages li.assistant")].at(-1).textContent.length > 1 && !document.getElementById("stop").disabled);
await page.click("#stop");
await until("it is stopped", () => document.getElementById("notice").textContent === "Stopped." && !document.getElementById("send").disabled);
const names = await page.$$eval("button, input, textarea", (all) =>
  all.filter((it) => !(it.textContent.trim() || it.labels?.length || it.getAttribute("aria-label"))).map((it) => it.id));
check("everything has a name", names.length === 0, names);
check("no error, no request to anywhere else", problems.length === 0, problems);
await browser.close();
