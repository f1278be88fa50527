import { defineConfig } from "@playwright/test";

/** FULL=1 runs every flow at every size, dark and light; otherwise only sign-in and start see the whole matrix. */
const full = process.env.FULL === "1";
/** PATIENCE=5 waits five times as long for everything, on a machine that has much else to do. */
const patience = Number(process.env.PATIENCE ?? 1);

export const SIZES = {
  phone: { width: 360, height: 740 },
  laptop: { width: 1280, height: 800 },
  wall: { width: 3840, height: 2160 },
} as const;

const LOOKS = Object.entries(SIZES).flatMap(([size, viewport]) =>
  (["light", "dark"] as const).map(colorScheme => ({
    name: `${size}-${colorScheme}`,
    use: { viewport, colorScheme },
  })),
);
const PLAIN = "laptop-light";

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results/artifacts",
  fullyParallel: true,
  workers: 2,
  forbidOnly: true,
  // RETRIES=1: what passes only at the second try is listed as flaky, to be mended, and stops nobody else's change.
  retries: Number(process.env.RETRIES ?? 0),
  timeout: 30_000 * patience,
  expect: { timeout: 10_000 * patience },
  reporter: [["list"]],
  use: {
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // Root in a container has no user namespaces to build the sandbox from.
      args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
    },
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    screenshot: "only-on-failure",
  },
  projects: LOOKS.map(({ name, use }) => ({
    name,
    use,
    ...(full || name === PLAIN ? {} : { grep: /@look/ }),
  })),
});
