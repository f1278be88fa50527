import type { Page } from "@playwright/test";
import { card, expect, expectAccessible, look, test } from "./fixtures.ts";

const picture = (page: Page) => page.getByRole("application");

async function openShare(page: Page, name: string) {
  await page.getByRole("button", { name: `More for ${name}` }).press("Enter");
  await page.getByRole("menuitem", { name: "Share" }).press("Enter");
  const dialog = page.getByRole("dialog", { name: `Share ${name}` });
  await expect(dialog).toBeVisible();
  return dialog;
}

/** Somebody else in a browser of their own. */
async function asOther(page: Page, url: string, secret: string, path: string): Promise<Page> {
  const context = await page.context().browser()?.newContext();
  if (!context) throw new Error("there is no browser");
  await context.addCookies([
    { name: "__Host-fastx", value: secret, domain: "localhost", path: "/", secure: true, httpOnly: true },
  ]);
  const other = await context.newPage();
  await other.goto(url + path);
  return other;
}

test.describe("sharing", () => {
  test("with a person, by keyboard, and back @look", async ({ page, mock, open }) => {
    await open("/");
    const dialog = await openShare(page, "Thesis");
    await expect(dialog.getByLabel("User name")).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(dialog.getByText("Enter the user name.")).toBeVisible();
    await page.keyboard.type("operator");
    await dialog.getByLabel("They can").selectOption("Work in it");
    await expect(dialog.getByText("in your name")).toBeVisible();
    await dialog.getByLabel("For", { exact: true }).selectOption("4 hours");
    await dialog.getByRole("button", { name: "Share", exact: true }).press("Enter");
    await expect(page.getByText("Shared with operator")).toBeVisible();
    await expect(dialog.getByText("operator", { exact: true })).toBeVisible();
    await expectAccessible(page);
    await look(page, "share-dialog");
    await dialog.getByRole("button", { name: "Stop sharing with operator" }).click();
    await expect(dialog.getByText("It is not shared with anybody.")).toBeVisible();
    expect(mock.session("a1")?.shares).toEqual([]);
  });

  test("by a link that somebody follows, to look only @look", async ({ page, mock, open }) => {
    await open("/");
    const dialog = await openShare(page, "Thesis");
    await dialog.getByText("A link", { exact: true }).click();
    await dialog.getByRole("button", { name: "Make a link" }).click();
    const link = await dialog.getByRole("textbox", { name: "Link" }).inputValue();
    expect(link).toMatch(new RegExp(`^${mock.url}/share/[0-9a-f]{32}$`));
    await expectAccessible(page);
    await look(page, "share-link");
    await page.keyboard.press("Escape");

    const other = await asOther(page, mock.url, mock.signIn("helper"), new URL(link).pathname);
    await expect(other).toHaveURL(`${mock.url}/desktop/a1`);
    await expect(picture(other)).toBeVisible();
    await expect.poll(() => mock.log.opened.at(-1)).toMatchObject({ session: "a1", mode: "view" });
    await picture(other).press("x");
    await expect(other.getByRole("button", { name: "End session" })).toHaveCount(0);
    expect(mock.log.keys).toEqual([]);
    await other.goto(mock.url);
    await expect(other.getByRole("heading", { name: "Shared with me" })).toBeVisible();
    await expect(card(other, "Thesis")).toContainText("by student, can look until");
    await other.screenshot({ path: `test-results/looks/shared-with-me-${test.info().project.name}.png` });
    await expectAccessible(other);
    await other.getByRole("button", { name: "More for Thesis" }).click();
    await expect(other.getByRole("menuitem")).toHaveText(["Details"]);

    const again = await openShare(page, "Thesis");
    await expect(again.getByText("used by helper")).toBeVisible();
    await again.getByRole("button", { name: "Stop sharing with Whoever has the link" }).click();
    await expect(card(other, "Thesis")).toHaveCount(0);
    await other.goto(link);
    await expect(other.getByRole("heading", { name: "The link does not work" })).toBeVisible();
    await expect(other.getByText("Ask for a new link.")).toBeVisible();
    await expectAccessible(other);
    await other.context().close();
  });

  test("tells in the desktop who is here, and disconnects the others", async ({ page, mock, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    const other = await asOther(page, mock.url, mock.signIn("operator"), "/desktop/a1");
    await expect(picture(other)).toBeVisible();
    const show = page.getByRole("button", { name: "Show bar" });
    await expect(async () => {
      if (await show.isVisible()) await show.click({ timeout: 1_000 });
      await page.getByRole("button", { name: "Share, and who is here, 2" }).click({ timeout: 2_000 });
    }).toPass();
    const dialog = page.getByRole("dialog", { name: "Share Thesis" });
    await expect(dialog.getByText("student (you)")).toBeVisible();
    await expect(dialog.getByText("operator", { exact: true })).toBeVisible();
    await expectAccessible(page);
    await look(page, "desktop-share");
    await dialog.getByRole("button", { name: "Disconnect others" }).click();
    await expect(other.getByRole("heading", { name: "Disconnected" })).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(picture(page)).toBeVisible();
    await expect.poll(() => mock.session("a1")?.viewers).toBe(1);
    await other.context().close();
  });
});

test.describe("a session that ends soon", () => {
  const WHY = "Nobody was connected for 2 hours.";

  test("says so on its card, and stays when asked to @look", async ({ page, mock, open }) => {
    await open("/");
    await expect(card(page, "Thesis")).toBeVisible();
    mock.warn("a1", 10, WHY);
    await expect(card(page, "Thesis").getByRole("alert")).toContainText("Ends in 10 minutes.");
    await expect(card(page, "Thesis").getByRole("alert")).toContainText(WHY);
    await expectAccessible(page);
    await look(page, "ending-card");
    await page.getByRole("button", { name: "Let Thesis stay" }).press("Enter");
    await expect(page.getByText("Thesis stays")).toBeVisible();
    await expect(card(page, "Thesis").getByRole("alert")).toHaveCount(0);
  });

  test("says so over its desktop", async ({ page, mock, open }) => {
    await open("/desktop/a1");
    await expect(picture(page)).toBeVisible();
    mock.warn("a1", 10, "No key was pressed for an hour.");
    await expect(page.getByRole("alert")).toContainText("This session ends in 10 minutes.");
    await expectAccessible(page);
    await look(page, "ending-desktop");
    await page.getByRole("button", { name: "Stay", exact: true }).click();
    await expect(page.getByRole("alert")).toHaveCount(0);
  });
});

test.describe("limits", () => {
  test("are told in words", async ({ page, open }) => {
    await open("/");
    await page.getByRole("button", { name: "More for Flow around a wing" }).click();
    await page.getByRole("menuitem", { name: "Details" }).click();
    const dialog = page.getByRole("dialog");
    await expect(dialog.getByText("student (you)")).toBeVisible();
    await dialog.getByText("Limits").click();
    await expect(dialog).toContainText("2560 × 1440");
    await expect(dialog).toContainText("Viewers are disconnected after 30 minutes");
    await expect(dialog).toContainText("The session ends after 2 hours");
    await expect(dialog).toContainText("Text may go from the session only");
    await expectAccessible(page);
    await look(page, "details");
  });

  test("of the clipboard show in its panel", async ({ page, mock, open }) => {
    await open("/desktop/a2");
    await expect(picture(page)).toBeVisible();
    mock.copyInSession("remote words");
    const show = page.getByRole("button", { name: "Show bar" });
    await expect(async () => {
      if (await show.isVisible()) await show.click({ timeout: 1_000 });
      await page.getByRole("button", { name: "Clipboard", exact: true }).click({ timeout: 2_000 });
    }).toPass();
    await expect(page.getByText("Text may go from the session only")).toBeVisible();
    await expect(page.getByLabel("From the session")).toHaveValue("remote words");
    await expect(page.getByLabel("To the session")).toHaveCount(0);
  });
});
