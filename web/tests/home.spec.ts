import { card, expect, expectAccessible, test } from "./fixtures.ts";

test.describe("sessions", () => {
  test("are told in words, with pictures, and accessible @look", async ({ page, open }) => {
    await open("/");
    await expect(card(page, "Thesis")).toContainText("Running, left 12 minutes ago");
    await expect(card(page, "Flow around a wing")).toContainText("Open elsewhere, 1 viewer");
    await expect(card(page, "Flow around a wing")).toContainText("Connected: student (you)");
    await expect(card(page, "Logs")).toContainText("Unreachable since");
    await expect(card(page, "Thesis").locator("img")).toBeVisible();
    await expect(page.getByRole("article")).toHaveCount(3);
    await expectAccessible(page);
  });

  test("change live", async ({ page, mock, open }) => {
    await open("/");
    await expect(card(page, "Thesis")).toContainText("left 12 minutes ago");
    mock.putSession({ id: "a1", viewers: 2 });
    await expect(card(page, "Thesis")).toContainText("Open elsewhere, 2 viewers");
    mock.putSession({ id: "a9", name: "Fresh" });
    await expect(card(page, "Fresh")).toBeVisible();
    mock.removeSession("a9");
    await expect(card(page, "Fresh")).toHaveCount(0);
    mock.putServer("node-1", { online: false });
    await expect(card(page, "Thesis")).toContainText("Unreachable since");
  });

  for (const way of ["resumption", "a reset"] as const) {
    test(`a cut of 60 s loses nothing, by ${way}`, async ({ page, mock, open }) => {
      await page.clock.install();
      await open("/");
      await expect(card(page, "Thesis")).toContainText("Running");
      mock.cut();
      await page.clock.runFor(3_000);
      await expect(page.getByText("Not connected.")).toBeVisible();
      mock.putSession({ id: "a1", name: "Renamed meanwhile" });
      mock.putSession({ id: "a9", name: "Begun meanwhile" });
      mock.removeSession("a3");
      if (way === "a reset") mock.forget();
      await page.clock.runFor(57_000);
      await expect(card(page, "Thesis"), "what was known stays").toBeVisible();
      mock.restore();
      await page.clock.runFor(12_000);
      await expect(card(page, "Renamed meanwhile")).toBeVisible();
      await expect(card(page, "Begun meanwhile")).toBeVisible();
      await expect(card(page, "Logs")).toHaveCount(0);
      await expect(page.getByText("Not connected.")).toHaveCount(0);
    });
  }

  test("come back at once when asked to while the line is cut", async ({ page, mock, open }) => {
    await page.clock.install();
    await open("/");
    await expect(card(page, "Thesis")).toBeVisible();
    mock.cut();
    await page.clock.runFor(3_000);
    const now = page.getByRole("button", { name: "Connect now" });
    await expect(now).toBeVisible();
    // With the clock at a stand nothing comes back by itself.
    await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1_000);
    mock.restore();
    // A try that was under way at the cut may end after the first press.
    await expect(async () => {
      if (await now.isVisible()) await now.press("Enter", { timeout: 1_000 });
      await expect(page.getByText("Not connected.")).toHaveCount(0, { timeout: 500 });
    }).toPass();
  });

  test("are not polled: a quiet page asks for nothing", async ({ page, open }) => {
    await page.clock.install();
    // Pictures come for the cards that can be seen: on a phone that is not all of them.
    await page.setViewportSize({ width: page.viewportSize()?.width ?? 0, height: 2400 });
    await open("/");
    // All pictures are there, not only the first.
    await expect(page.locator("article img")).toHaveCount(2);
    const asked: string[] = [];
    page.on("request", request => asked.push(request.url()));
    await page.clock.runFor(30_000);
    // What the page has in memory is asked of nobody.
    expect(asked.filter(url => !url.startsWith("blob:"))).toEqual([]);
  });

  test("tell all of a refusal, until it is put away", async ({ page, open }) => {
    await page.route("**/api/v1/sessions/a2/disconnect", route =>
      route.fulfill({
        status: 503,
        contentType: "application/problem+json",
        body: JSON.stringify({
          type: "node-unreachable",
          title: "The server does not answer",
          status: 503,
          detail: "node-3 did not answer within 5 seconds.",
          action: "Try again in a moment.",
          traceId: "0123456789abcdef0123456789abcdef",
        }),
      }),
    );
    await open("/");
    await page.getByRole("button", { name: "More for Flow around a wing" }).click();
    await page.getByRole("menuitem", { name: "Disconnect viewers" }).click();
    const refusal = page.getByRole("alert");
    await expect(refusal).toContainText("The server does not answer");
    await expect(refusal).toContainText("node-3 did not answer within 5 seconds.");
    await expect(refusal).toContainText("Try again in a moment.");
    await expect(refusal).toContainText("0123456789abcdef0123456789abcdef");
    await expectAccessible(page);
    await page.getByRole("button", { name: "Close", exact: true }).click();
    await expect(refusal).toHaveCount(0);
  });

  test("hide their pictures, and remember it", async ({ page, open }) => {
    await open("/");
    await expect(card(page, "Thesis").locator("img")).toBeVisible();
    await page.getByRole("button", { name: "Hide pictures" }).click();
    await expect(page.locator("article img")).toHaveCount(0);
    await page.reload();
    await expect(page.getByRole("button", { name: "Show pictures" })).toBeVisible();
    await expect(page.locator("article img")).toHaveCount(0);
  });

  test("are renamed by keyboard", async ({ page, open }) => {
    await open("/");
    await page.getByRole("button", { name: "More for Thesis" }).press("Enter");
    await page.getByRole("menuitem", { name: "Rename" }).press("Enter");
    await expect(page.getByLabel("Name", { exact: true })).toBeFocused();
    await expectAccessible(page);
    await page.keyboard.type("Chapter 4");
    await page.keyboard.press("Enter");
    await expect(card(page, "Chapter 4")).toBeVisible();
  });

  test("end after saying what is lost", async ({ page, open }) => {
    await open("/");
    await page.getByRole("button", { name: "More for Flow around a wing" }).click();
    await page.getByRole("menuitem", { name: "End session" }).click();
    const dialog = page.getByRole("dialog");
    await expect(dialog).toContainText("paraview wing.vtk on node-3.lab.example.org");
    await expect(dialog).toContainText("1 person is connected");
    await expect(dialog.getByRole("button", { name: "Keep it running" })).toBeFocused();
    await expectAccessible(page);
    await dialog.getByRole("button", { name: "End session" }).click();
    await expect(card(page, "Flow around a wing")).toHaveCount(0);
  });

  test("show why they are where they are, and their log", async ({ page, open }) => {
    await open("/");
    await page.getByRole("button", { name: "More for Thesis" }).click();
    await page.getByRole("menuitem", { name: "Details" }).click();
    await page.getByText("Why this server").click();
    await expect(page.getByText("node-1 was chosen from 6 servers.")).toBeVisible();
    await expect(page.getByText("It takes no new sessions.")).toBeVisible();
    await page.getByText("Log", { exact: true }).click();
    await expect(page.getByText("Xvnc TigerVNC")).toBeVisible();
    await expectAccessible(page);
  });

  test("that failed stay with their reason until put away", async ({ page, mock, open }) => {
    mock.putSession({
      id: "a8",
      name: "Crashed",
      state: "ended",
      endReason: "The program ended with status 127.",
    });
    await open("/");
    await expect(page.getByText("The program ended with status 127.")).toBeVisible();
    await page.getByRole("button", { name: "Remove from list: Crashed" }).click();
    await expect(page.getByText("Crashed")).toHaveCount(0);
    await page.reload();
    await expect(card(page, "Thesis")).toBeVisible();
    await expect(page.getByText("Crashed")).toHaveCount(0);
  });

  test("disconnect their viewers", async ({ page, mock, open }) => {
    mock.putSession({ id: "a1", viewers: 1 });
    await open("/");
    await page.getByRole("button", { name: "More for Thesis" }).click();
    await page.getByRole("menuitem", { name: "Disconnect viewers" }).click();
    await expect(page.getByText("Everybody was disconnected from Thesis")).toBeVisible();
    await expect(card(page, "Thesis")).toContainText("left just now");
  });
});
