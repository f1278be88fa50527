import type { Page } from "@playwright/test";
import { card, expect, expectAccessible, test } from "./fixtures.ts";

const picture = (page: Page) => page.getByRole("application");

/** Presses a button of the bar, which may have hidden itself meanwhile. */
async function press(page: Page, name: string): Promise<void> {
  const hidden = page.getByRole("button", { name: "Show bar" });
  const bar = page.getByRole("toolbar");
  await expect(async () => {
    if (await hidden.isVisible()) await hidden.click({ timeout: 1_000 });
    await bar.getByRole("button", { name, exact: true }).click({ timeout: 2_000 });
  }).toPass();
}

async function statistic(page: Page, name: string): Promise<string> {
  await press(page, "Statistics");
  const value = page.locator("dt", { hasText: name }).locator("xpath=following-sibling::dd[1]");
  await expect(value).not.toHaveText("–");
  return (await value.textContent()) ?? "";
}

test.describe("desktop", () => {
  test("is one click away, takes the focus and the keys", async ({ page, mock, open }) => {
    await open("/");
    await card(page, "Thesis").getByRole("link", { name: "Open", exact: true }).click();
    await expect(picture(page)).toBeFocused();
    await page.keyboard.type("hi");
    await expect.poll(() => mock.log.keys).toEqual([0x68, 0x69]);
    expect(mock.log.opened).toEqual([{ way: "direct", session: "a1", mode: "control" }]);
  });

  test("is accessible, bar and panels too", async ({ page, open }) => {
    test.slow();
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    await expectAccessible(page);
    for (const panel of ["Picture", "Clipboard", "Keys", "Statistics"]) {
      await press(page, panel);
      await expect(page.getByRole("dialog", { name: panel })).toBeVisible();
      await expectAccessible(page);
      await page.keyboard.press("Escape");
    }
  });

  test("gives the session the size of the window", async ({ page, mock, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    await page.setViewportSize({ width: 1000, height: 700 });
    await expect.poll(() => mock.log.sizes.at(-1)).toBe("1000x700");
    await expect
      .poll(() =>
        page
          .locator("canvas")
          .first()
          .evaluate((c: HTMLCanvasElement) => c.width),
      )
      .toBe(1000);
  });

  test("falls back to the relay and remembers the way that failed", async ({ page, mock, open }) => {
    mock.faults.direct = "refused";
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    expect(await statistic(page, "Path")).toContain("Relay");
    expect(mock.log.opened.map(({ way }) => way)).toEqual(["relay"]);
    mock.faults.direct = "open";
    await page.reload();
    await expect(picture(page)).toBeVisible();
    expect(mock.log.opened.map(({ way }) => way)).toEqual(["relay", "relay"]);
  });

  test("does not wait for a direct way that stays silent", async ({ page, mock, open }) => {
    mock.faults.direct = "silent";
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible({ timeout: 3_000 });
    expect(mock.log.opened.map(({ way }) => way)).toEqual(["relay"]);
  });

  test.describe("where the server has its direct connections switched off", () => {
    test.beforeEach(({ mock }) => mock.putServer("node-1", { urls: [] }));

    test("goes by the relay, and never tries the server itself", async ({ page, mock, open }) => {
      const lines: string[] = [];
      page.on("websocket", line => lines.push(new URL(line.url()).origin));
      await open("/desktop/a1");
      await expect(picture(page)).toBeVisible();
      expect(await statistic(page, "Path")).toContain("Relay");
      mock.cutDisplays();
      await expect.poll(() => mock.log.opened.length).toBe(2);
      expect(mock.log.dialled).toEqual(["relay", "relay"]);
      const here = mock.url.replace("http", "ws");
      expect(lines).toEqual([here, here]);
    });

    test("says so to managers", async ({ page, open }) => {
      await open("/manage/servers", "operator");
      await page.getByRole("button", { name: "Details of node-1.lab.example.org" }).click();
      await expect(page.getByRole("dialog")).toContainText(
        "None: browsers reach it by way of other servers.",
      );
    });

    test("holds for the next line, too, when it happens meanwhile", async ({ page, mock, open }) => {
      mock.putServer("node-1", { urls: ["https://node-1.lab.example.org:3300"] });
      await open("/desktop/a1");
      await expect(picture(page)).toBeVisible();
      mock.putServer("node-1", { urls: [] });
      mock.cutDisplays();
      await expect.poll(() => mock.log.opened.length).toBe(2);
      expect(mock.log.dialled).toEqual(["direct", "relay"]);
    });
  });

  test("measures the round trip", async ({ page, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    expect(await statistic(page, "Path")).toContain("Direct");
    await expect(page.getByText(/^\d+ ms$/)).toBeVisible();
  });

  test("comes back by itself with a new ticket after a cut", async ({ page, mock, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    mock.cutDisplays();
    await expect.poll(() => mock.log.opened.length).toBe(2);
    await expect(page.getByRole("heading", { name: "Not connected" })).toHaveCount(0);
    await expect(picture(page)).toBeFocused();
    await page.keyboard.type("x");
    await expect.poll(() => mock.log.keys).toEqual([0x78]);
  });

  test("keeps the last picture, says what happened and refuses keys while cut", async ({
    page,
    mock,
    open,
  }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeFocused();
    mock.cut();
    await expect(page.getByRole("heading", { name: "Not connected" })).toBeVisible();
    await expect(page.getByText(/Connecting again in \d s\./)).toBeVisible();
    const still = page.locator("canvas[data-layer=still]");
    await expect(still).toBeVisible();
    const painted = await still.evaluate((canvas: HTMLCanvasElement) => {
      const pixel = canvas.getContext("2d")?.getImageData(20, 300, 1, 1).data;
      return pixel ? pixel[0] || pixel[1] || pixel[2] : 0;
    });
    expect(painted).toBeGreaterThan(0);
    await page.keyboard.press("k");
    await expect(page.getByText("Your keys were not sent.")).toBeVisible();
    await expectAccessible(page);
    mock.restore();
    await page.getByRole("button", { name: "Connect now" }).click();
    await expect(picture(page)).toBeVisible();
    await expect(page.getByRole("heading", { name: "Not connected" })).toHaveCount(0);
    expect(mock.log.keys).toEqual([]);
  });

  const closes = [
    {
      code: 4503,
      reason: "",
      heading: "Not connected",
      words: "The server of the session cannot be reached right now.",
    },
    { code: 1001, reason: "", heading: "Not connected", words: "The server is restarting." },
    {
      code: 4408,
      reason: "disconnected by an operator",
      heading: "Disconnected",
      words: "Disconnected by an operator.",
    },
    {
      code: 4404,
      reason: "",
      heading: "This session is not here",
      words: "It has ended, or it belongs to somebody else.",
    },
  ];
  for (const { code, reason, heading, words } of closes) {
    test(`tells close code ${code} in words`, async ({ page, mock, open }) => {
      await open("/desktop/a1");
      await expect(picture(page)).toBeVisible();
      mock.faults.direct = "refused";
      mock.faults.relay = "silent";
      mock.closeDisplays(code, reason);
      await expect(page.getByRole("heading", { name: heading })).toBeVisible();
      await expect(page.getByText(words)).toBeVisible();
    });
  }

  test("does not come back by itself after a disconnect, but at a click", async ({ page, mock, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    mock.closeDisplays(4408, "");
    await expect(page.getByRole("heading", { name: "Disconnected" })).toBeVisible();
    expect(mock.log.opened).toHaveLength(1);
    await page.getByRole("button", { name: "Connect", exact: true }).click();
    await expect(picture(page)).toBeVisible();
    expect(mock.log.opened).toHaveLength(2);
  });

  test("says why the session ended", async ({ page, mock, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    mock.endSession("a1", "The program ended with status 1.");
    await expect(page.getByRole("heading", { name: "The session has ended" })).toBeVisible();
    await expect(page.getByText("The program ended with status 1.")).toBeVisible();
    await page.getByRole("link", { name: "Back to sessions" }).click();
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
  });

  test("can be left by keyboard, and entered again", async ({ page, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeFocused();
    await page.keyboard.down("Control");
    await page.keyboard.down("Alt");
    await page.keyboard.down("Shift");
    await page.keyboard.up("Shift");
    await page.keyboard.up("Alt");
    await page.keyboard.up("Control");
    await expect(page.getByRole("button", { name: "Picture", exact: true })).toBeFocused();
    await page.keyboard.press("Escape");
    await expect(picture(page)).toBeFocused();
  });

  test("hides its bar, and shows it at the chosen edge", async ({ page, open }) => {
    await open("/desktop/a1");
    await press(page, "Picture");
    await page.getByText("Left", { exact: true }).click();
    await expect(page.getByRole("toolbar")).toHaveAttribute("aria-orientation", "vertical");
    await expect(page.getByRole("dialog", { name: "Picture" })).toBeInViewport({ ratio: 1 });
    await page.keyboard.press("Escape");
    await press(page, "Hide bar");
    await expect(page.getByRole("toolbar")).toHaveCount(0);
    await page.getByRole("button", { name: "Show bar" }).click();
    await expect(page.getByRole("toolbar")).toBeVisible();
  });

  test("sends special keys", async ({ page, mock, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    await press(page, "Keys");
    await page.getByRole("button", { name: "Ctrl + Alt + Del" }).click();
    await expect.poll(() => mock.log.keys).toEqual([0xffe3, 0xffe9, 0xffff]);
  });

  test("shares the clipboard by itself where the browser allows", async ({ page, mock, open }) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    mock.copyInSession("from the session");
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe("from the session");
    await page.evaluate(() => navigator.clipboard.writeText("from here"));
    await page.evaluate(() => window.dispatchEvent(new Event("focus")));
    await expect.poll(() => mock.log.clipboard).toContain("from here");
  });

  test("has a panel for the clipboard where the browser does not", async ({ page, mock, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    mock.copyInSession("remote words");
    await press(page, "Clipboard");
    await expect(page.getByLabel("From the session")).toHaveValue("remote words");
    await page.getByLabel("To the session").fill("local words");
    await page.getByRole("button", { name: "Send" }).click();
    await expect.poll(() => mock.log.clipboard).toContain("local words");
  });

  test("shows only, when asked to", async ({ page, mock, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    await press(page, "Picture");
    await page.getByRole("switch", { name: "View only" }).click();
    await page.keyboard.press("Escape");
    await picture(page).click();
    await page.keyboard.type("no");
    await expect(page.getByRole("button", { name: "Keys" })).toBeDisabled();
    expect(mock.log.keys).toEqual([]);
  });

  test("ends the session after saying what is lost", async ({ page, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    await press(page, "End session");
    await expect(page.getByRole("dialog")).toContainText("startxfce4 on node-1.lab.example.org");
    await page.getByRole("dialog").getByRole("button", { name: "End session" }).click();
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
    await expect(card(page, "Thesis")).toHaveCount(0);
  });

  test("says so when the session is not there", async ({ page, open }) => {
    await open("/desktop/nothing");
    await expect(page.getByRole("heading", { name: "This session is not here" })).toBeVisible();
    await expectAccessible(page);
  });

  test("knows of a second tab", async ({ page, open, context, mock }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    const second = await context.newPage();
    await second.goto(`${mock.url}/desktop/a1`);
    await expect(second.getByText("This session is also open in another tab.")).toBeVisible();
  });

  test("opens in a second window, for another monitor", async ({ page, open, context }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    await press(page, "Picture");
    const opened = context.waitForEvent("page");
    await page.getByRole("link", { name: "Open a second window" }).click();
    const second = await opened;
    await expect(picture(second)).toBeVisible();
    await expect(page.getByText("This session is also open in another tab.")).toBeVisible();
  });
});
