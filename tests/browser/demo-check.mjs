// What a person does with the demo, done by a real browser that knows only addresses, user and password.
//
// Environment: FASTX_URL_ANY, FASTX_URL_ALPHA, FASTX_URL_BETA, FASTX_USER, FASTX_PASSWORD,
// FASTX_PICTURES (folder), FASTX_CHROMIUM (default /usr/bin/chromium).
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";

// The browser driver is the one that the web client's own tests use.
const { chromium, expect } = createRequire(new URL("../../web/package.json", import.meta.url))("@playwright/test");

const setting = (name) => process.env[name] ?? fail(`${name} is not set; run this as: make demo-check`);
const address = { any: setting("FASTX_URL_ANY"), alpha: setting("FASTX_URL_ALPHA"), beta: setting("FASTX_URL_BETA") };
const pictures = setting("FASTX_PICTURES");
/** A terminal whose picture depends on nothing but what is typed: no window manager, a plain shell. */
const TERMINAL = "xterm -geometry 80x24+0+0 -e env PS1='$ ' ENV= /bin/sh";
const LIMIT = 30_000;

function fail(message) {
  throw new Error(message);
}

const begun = Date.now();
let number = 0;
async function step(page, what, work) {
  const started = Date.now();
  try {
    return await work();
  } catch (error) {
    await page.screenshot({ path: path.join(pictures, "failed.png") }).catch(() => {});
    throw new Error(`${what}: ${error.message}`, { cause: error });
  } finally {
    number += 1;
    const name = `${String(number).padStart(2, "0")}-${what.replace(/[^a-z0-9]+/gi, "-").toLowerCase()}.png`;
    await page.screenshot({ path: path.join(pictures, name) }).catch(() => {});
    const seconds = (ms) => (ms / 1000).toFixed(1);
    console.log(`    ${seconds(Date.now() - begun).padStart(5)} s  ${what} (${seconds(Date.now() - started)} s)`);
  }
}

async function signIn(page, at) {
  await page.goto(at);
  await page.getByLabel("User name").fill(setting("FASTX_USER"));
  await page.getByLabel("Password", { exact: true }).fill(setting("FASTX_PASSWORD"));
  await page.getByRole("button", { name: "Sign in" }).click();
  // There on the home screen, with sessions and without.
  await expect(page.getByRole("link", { name: "Other command" })).toBeVisible({ timeout: LIMIT });
}

/** The display's own picture, without the page around it. */
const canvas = (page) => page.locator("canvas").first();
const pictureOf = (page) => canvas(page).evaluate((element) => element.toDataURL());

/** Waits until the picture has changed from `before` and then stays the same for a moment. */
async function settled(page, before) {
  const deadline = Date.now() + LIMIT;
  let last = before;
  let same = 0;
  while (Date.now() < deadline) {
    await page.waitForTimeout(150);
    const now = await pictureOf(page);
    same = now === last && now !== before ? same + 1 : 0;
    if (same >= 3) return now;
    last = now;
  }
  return fail("the picture did not settle");
}

/** Types a line into the terminal and gives the picture that follows. */
async function type(page, line) {
  const before = await pictureOf(page);
  await canvas(page).click({ position: { x: 200, y: 200 } });
  await page.keyboard.type(line, { delay: 15 });
  await page.keyboard.press("Enter");
  return settled(page, before);
}

/** Clears the screen with `line`'s output alone on it; the way there shows something else first. */
async function show(page, line) {
  await type(page, "clear; echo -");
  return type(page, `clear; ${line}`);
}

async function start(page, name) {
  await page.goto(new URL("/start", page.url()).href);
  await page.getByLabel("What to start").selectOption({ label: "Other command" });
  await page.getByLabel("Command", { exact: true }).fill(TERMINAL);
  await page.getByRole("textbox", { name: /^Name/ }).fill(name);
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await expect(canvas(page)).toBeVisible({ timeout: LIMIT });
  await settled(page, "");
}

/** The server that a session's card names. */
async function serverOf(page, name) {
  const card = page.getByRole("article").filter({ hasText: name });
  const text = await card.first().innerText({ timeout: LIMIT });
  return /\b(alpha|beta)\b/.exec(text)?.[1] ?? fail(`the card names no server: ${text}`);
}

async function end(page, name) {
  await page.goto(new URL("/", page.url()).href);
  await page.getByRole("button", { name: `More for ${name}` }).click();
  await page.getByRole("menuitem", { name: "End session" }).click();
  await page.getByRole("button", { name: "End session" }).click();
  await expect(page.getByRole("link", { name: `Open ${name}` })).toHaveCount(0, { timeout: LIMIT });
}

async function main() {
  const browser = await chromium.launch({
    executablePath: process.env.FASTX_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
  try {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    const nonce = randomBytes(6).toString("hex");
    const other = randomBytes(6).toString("hex");
    // A run that was cut off may have left sessions of its own.
    const one = `check one ${nonce.slice(0, 4)}`;
    const others = [2, 3, 4, 5, 6].map((n) => `check ${n} ${nonce.slice(0, 4)}`);
    const started = [one];

    await step(page, "sign in", () => signIn(page, address.any));
    await step(page, "start a terminal through the script", () => start(page, one));
    const typed = await step(page, "type a nonce and read it back", async () => {
      const first = await show(page, `echo ${nonce} | tee ~/nonce`);
      const second = await show(page, `echo ${nonce}`);
      const wrong = await show(page, `echo ${other}`);
      if (first !== second) fail("the same text must give the same picture");
      if (first === wrong) fail("another text must give another picture");
      return first;
    });
    await step(page, "reload and find the session", async () => {
      await page.reload();
      await expect(canvas(page)).toBeVisible({ timeout: LIMIT });
      await settled(page, "");
      if ((await show(page, "cat ~/nonce")) !== typed) fail("the picture after the reload is another one");
    });
    await step(page, "come from each node's address", async () => {
      for (const at of [address.alpha, address.beta]) {
        await page.goto(at);
        const open = page.getByRole("link", { name: `Open ${one}` });
        await expect(open.or(page.getByLabel("User name"))).toBeVisible({ timeout: LIMIT });
        if (await page.getByLabel("User name").isVisible()) await signIn(page, at);
        await open.click();
        await expect(canvas(page)).toBeVisible({ timeout: LIMIT });
        await settled(page, "");
        if ((await show(page, "cat ~/nonce")) !== typed) fail(`the picture through ${at} is another one`);
      }
    });
    await step(page, "find the same home on the other node", async () => {
      await page.goto(address.any);
      const here = await serverOf(page, one);
      // The script chooses who has fewest sessions: the other one, unless somebody else's sessions are there already.
      for (const name of others) {
        await start(page, name);
        started.push(name);
        if ((await show(page, "cat ~/nonce")) !== typed) fail(`the home of ${name} is another one`);
        await page.goto(address.any);
        if ((await serverOf(page, name)) !== here) return;
      }
      fail(`all ${started.length} sessions run on ${here}`);
    });
    await step(page, "end the sessions", async () => {
      for (const name of started) await end(page, name);
    });
  } finally {
    await browser.close();
  }
}

await main();
