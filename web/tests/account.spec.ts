import { expect, expectAccessible, look, test } from "./fixtures.ts";

test.describe("sign-ins and tokens", () => {
  test("are listed with where and since when, accessible @look", async ({ page, open }) => {
    await open("/");
    await page.getByRole("button", { name: "Account of student" }).click();
    await look(page, "account-menu");
    await page.getByRole("menuitem", { name: "Sign-ins and tokens" }).click();
    await expect(page.getByRole("heading", { name: "Sign-ins and tokens" })).toBeVisible();
    await expect(page.getByText("This browser")).toBeVisible();
    await expect(page.getByText("Laptop at home")).toBeVisible();
    await expect(page.getByText("2001:db8::7")).toBeVisible();
    await expect(page.getByText("192.0.2.80"), "somebody else's").toHaveCount(0);
    await expectAccessible(page);
    await look(page, "tokens");
  });

  test("get a name", async ({ page, open }) => {
    await open("/account/tokens");
    await page.getByRole("button", { name: "More for Laptop at home" }).press("Enter");
    await page.getByRole("menuitem", { name: "Rename" }).press("Enter");
    await expect(page.getByRole("textbox", { name: "Name" })).toBeFocused();
    await page.keyboard.type("Desk");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("button", { name: "More for Desk" })).toBeVisible();
  });

  test("are revoked after saying what that does", async ({ page, open }) => {
    await open("/account/tokens");
    await page.getByRole("button", { name: "More for Nightly render" }).click();
    await page.getByRole("menuitem", { name: "Revoke" }).click();
    const dialog = page.getByRole("dialog", { name: "Revoke Nightly render?" });
    await expect(dialog).toContainText("Whoever uses it is signed out at once");
    await expect(dialog.getByRole("button", { name: "Cancel" })).toBeFocused();
    await expectAccessible(page);
    await look(page, "token-revoke");
    await dialog.getByRole("button", { name: "Revoke" }).click();
    await expect(page.getByText("Nightly render was revoked")).toBeVisible();
    await expect(page.getByRole("button", { name: "More for Nightly render" })).toHaveCount(0);
  });

  test("of this browser end with a sign-out", async ({ page, open }) => {
    await open("/account/tokens");
    const here = page.getByRole("row").or(page.getByRole("listitem")).filter({ hasText: "This browser" });
    await here.getByRole("button", { name: /^More for/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByLabel("User name")).toBeVisible();
  });

  test("are made for programs, and shown once @look", async ({ page, open }) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await open("/account/tokens");
    await page.getByRole("button", { name: "Create token" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("button", { name: "Create token" }).click();
    await expect(dialog.getByText("Enter a name.")).toBeVisible();
    await dialog.getByLabel("Name").fill("Backup");
    await dialog.getByLabel("Valid for").selectOption("90 days");
    await expectAccessible(page);
    await dialog.getByRole("button", { name: "Create token" }).click();
    await expect(dialog.getByText("Copy it now: it is not shown again.")).toBeVisible();
    await expectAccessible(page);
    await look(page, "token-made");
    await dialog.getByRole("button", { name: "Copy token" }).click();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^fastx_[0-9a-f]{32}$/);
    await dialog.getByRole("button", { name: "I have copied it" }).click();
    await expect(page.getByRole("button", { name: "More for Backup" })).toBeVisible();
    await expect(page.getByText(/fastx_/)).toHaveCount(0);
  });
});

test("a copy that the browser refuses is told, not swallowed", async ({ page, open }) => {
  // As on a page that is not served over HTTPS.
  await page.addInitScript(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await open("/");
  await page.getByRole("button", { name: "Account of student" }).click();
  await page.getByRole("menuitem", { name: "Help and about" }).click();
  await page.getByRole("button", { name: "Copy report" }).click();
  await expect(page.getByText("The browser does not let this page copy.")).toBeVisible();
});

test.describe("help", () => {
  test("tells the keyboard, the version, and makes a report without names @look", async ({
    page,
    mock,
    open,
  }) => {
    mock.faults.refuse = "no-server-fits";
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await open("/");
    await page.getByRole("button", { name: "Desktop", exact: true }).click();
    await expect(page.getByRole("alert")).toBeVisible();
    await page.getByRole("button", { name: "Account of student" }).click();
    await page.getByRole("menuitem", { name: "Help and about" }).click();
    const dialog = page.getByRole("dialog", { name: "Help" });
    await expect(dialog).toContainText("0.1.0");
    await expect(dialog).toContainText("leave the desktop for its bar");
    await dialog.getByText("What is in it").click();
    await expectAccessible(page);
    await look(page, "help");
    await dialog.getByRole("button", { name: "Copy report" }).click();
    const report = await page.evaluate(() => navigator.clipboard.readText());
    expect(JSON.parse(report).problems.at(-1)).toMatchObject({ type: "no-server-fits", page: "/sessions" });
    expect(report).not.toContain("student");
    expect(report).not.toMatch(/fastx_|csrf|cookie/i);
  });
});
