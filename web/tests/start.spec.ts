import { expect, expectAccessible, look, test } from "./fixtures.ts";

test.describe("start", () => {
  test.use({ empty: true });

  test("offers applications first, accessible @look", async ({ page, open }) => {
    await open("/");
    await expect(page.getByRole("heading", { name: "Start your first session" })).toBeVisible();
    await expect(page.getByRole("button", { name: "Desktop" })).toBeVisible();
    await expectAccessible(page);
  });

  test("has an accessible form @look", async ({ page, open }) => {
    await open("/start", "operator");
    await expect(page.getByLabel("Command")).toBeVisible();
    await page.getByText("Fixed").click();
    await expect(page.getByLabel("Resolution")).toBeVisible();
    await expectAccessible(page);
  });

  test("is one click to the desktop, with its phases told", async ({ page, mock, open }) => {
    mock.startDelay = 1_500;
    mock.faults.refuse = "never-runs";
    await open("/");
    await page.getByRole("button", { name: "Desktop" }).click();
    await expect(page.getByText("Choosing a server")).toBeVisible();
    await expect(page.getByText("Starting on node-3")).toBeVisible();
    await expect(page.getByText("Server chosen")).toBeVisible();
    mock.putSession({ id: page.url().split("/").at(-1), state: "running" });
    await expect(page.getByRole("application", { name: "Desktop of Desktop" })).toBeVisible();
    expect(mock.log.starts).toHaveLength(1);
    expect(mock.log.starts[0]?.application).toBe("desktop");
  });

  test("remembers what was used last", async ({ page, open }) => {
    await open("/");
    await page.getByRole("button", { name: "ParaView" }).click();
    await expect(page.getByRole("application")).toBeVisible();
    await page.goBack();
    await expect(page.getByRole("listitem").filter({ hasText: "ParaView" }).last()).toBeVisible();
    const tiles = page.locator("section[aria-labelledby=start] li");
    await expect(tiles.first()).toContainText("ParaView");
  });

  test("says why no server fits, for each of them", async ({ page, mock, open }) => {
    mock.faults.refuse = "no-server-fits";
    await open("/");
    await page.getByRole("button", { name: "Desktop" }).click();
    const refusal = page.getByRole("alert");
    await expect(refusal).toContainText("No server fits");
    await expect(refusal).toContainText("ask your administrator for room");
    const reason = refusal.getByText("It has no free GPU. (gpu-only)").first();
    await expect(reason).toBeHidden();
    await refusal.getByText("Why none of 6 servers").click();
    await expect(reason).toBeVisible();
    await expect(refusal.getByText("It has been silent for more than 90 seconds.")).toBeVisible();
    await expectAccessible(page);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await refusal.getByRole("button", { name: "Copy report" }).click();
    const report = await page.evaluate(() => navigator.clipboard.readText());
    expect(report).toContain("node-1: It has no free GPU. (gpu-only)");
    expect(report).toMatch(/Trace id: [0-9a-f]{32}/);
    mock.faults.refuse = undefined;
    await refusal.getByRole("button", { name: "Try again" }).click();
    await expect(page.getByRole("application")).toBeVisible();
  });

  test("takes a command, a size and a name by keyboard", async ({ page, mock, open }) => {
    await open("/start", "operator");
    await expect(page.getByLabel("Command")).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(page.getByText("Enter the command to start.")).toBeVisible();
    await page.keyboard.type("xterm -e top");
    await page.getByText("Fixed").click();
    await page.getByLabel("Resolution").selectOption("1920x1080");
    await page.getByLabel("Name").fill("Watch");
    await page.getByLabel("Profile").selectOption("gpu");
    await page.getByLabel("Server", { exact: true }).selectOption("node-2");
    await page.getByRole("button", { name: "Start", exact: true }).press("Enter");
    await expect(page.getByRole("application", { name: "Desktop of Watch" })).toBeVisible();
    expect(mock.log.starts[0]).toMatchObject({
      command: "xterm -e top",
      geometry: "1920x1080",
      profile: "gpu",
      serverId: "node-2",
    });
  });

  test("asks again under the same key when the answer was lost", async ({ page, mock, open }) => {
    await open("/");
    let lost = false;
    await page.route("**/api/v1/sessions", async route => {
      if (lost || route.request().method() !== "POST") return route.fallback();
      lost = true;
      await route.fetch();
      await route.abort("connectionreset");
    });
    await page.getByRole("button", { name: "Desktop" }).click();
    await expect(page.getByRole("application")).toBeVisible();
    expect(mock.log.starts).toHaveLength(2);
    expect(mock.log.starts[0]?.key).toBe(mock.log.starts[1]?.key);
  });

  test("that fails after it was accepted ends with the reason", async ({ page, mock, open }) => {
    mock.faults.refuse = "never-runs";
    await open("/");
    await page.getByRole("button", { name: "Terminal" }).click();
    await expect(page.getByText("Starting on node-3")).toBeVisible();
    const id = page.url().split("/").at(-1) ?? "";
    mock.endSession(id, "xfce4-terminal: command not found");
    await expect(page.getByRole("heading", { name: "The session has ended" })).toBeVisible();
    await expect(page.getByText("xfce4-terminal: command not found")).toBeVisible();
  });
});

test.describe("start on a server that does not know the reader yet", () => {
  test.use({ empty: true });

  test("asks once, then goes on under the same key @look", async ({ page, mock, open }) => {
    mock.faults.unlinked = ["node-3"];
    mock.faults.ssh = "code";
    await open("/start");
    await page.getByLabel("What to start").selectOption("Desktop");
    await page.getByRole("button", { name: "Start", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Sign in to node-3.lab.example.org" });
    await expect(dialog.getByLabel("student's password")).toBeFocused();
    await expect(page.getByText("Signing in to node-3")).toBeVisible();
    await expectAccessible(page);
    await look(page, "start-link");
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await expect(dialog.getByText("That was not right.")).toBeVisible();
    await expect(dialog.getByLabel("student's password")).toBeFocused();
    await page.keyboard.type("student");
    await page.keyboard.press("Enter");
    await expect(dialog.getByLabel("Verification code")).toBeFocused();
    await page.keyboard.type("123456");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("application")).toBeVisible();
    expect(mock.log.starts).toHaveLength(2);
    expect(mock.log.starts[0]?.key).toBe(mock.log.starts[1]?.key);
    // The second start there asks nothing.
    await page.goto(mock.url);
    await page.getByRole("button", { name: "Terminal" }).click();
    await expect(page.getByRole("application")).toBeVisible();
    expect(mock.log.starts).toHaveLength(3);
  });

  test("takes nothing while the same questions come anew, and says why when they are there", async ({
    page,
    mock,
    open,
  }) => {
    mock.faults.unlinked = ["node-3"];
    await open("/");
    await page.getByRole("button", { name: "Desktop" }).click();
    const dialog = page.getByRole("dialog");
    const password = dialog.getByLabel("student's password");
    await expect(password).toBeFocused();
    let letGo = () => {};
    const held = new Promise<void>(resolve => {
      letGo = resolve;
    });
    await page.route("**/servers/node-3/link", async route => {
      await held;
      await route.continue();
    });
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await expect(password).not.toBeEditable();
    await page.keyboard.type("early");
    await expect(dialog.getByText("That was not right.")).toBeHidden();
    letGo();
    await expect(dialog.getByText("That was not right.")).toBeVisible();
    await expect(password).toBeFocused();
    await expect(password).toHaveValue("");
    await page.keyboard.type("student");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("application")).toBeVisible();
  });

  test("stops when the reader does not want to, and can be tried again", async ({ page, mock, open }) => {
    mock.faults.unlinked = ["node-3"];
    await open("/");
    await page.getByRole("button", { name: "Desktop" }).click();
    await expect(page.getByRole("dialog")).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page.getByRole("alert")).toContainText("Sign in to the server first");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("dialog").getByLabel("student's password").fill("student");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("application")).toBeVisible();
  });

  test("shows the command for an unknown host key", async ({ page, mock, open }) => {
    mock.faults.unlinked = ["node-3"];
    mock.faults.ssh = "host-key";
    await open("/");
    await page.getByRole("button", { name: "Desktop" }).click();
    await expect(page.getByRole("alert")).toContainText("fastx-node accept-host-key node-3:22");
    await expectAccessible(page);
  });
});
