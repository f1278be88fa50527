import { expect, expectAccessible, test } from "./fixtures.ts";

test.describe("sign-in", () => {
  test("is accessible and names the cluster @look", async ({ page, mock }) => {
    await page.goto(mock.url);
    await expect(page.getByRole("heading", { name: "Sign in to Physics lab" })).toBeVisible();
    await expect(page.getByText("Maintenance on Friday")).toBeVisible();
    await expectAccessible(page);
  });

  test("works by keyboard alone", async ({ page, mock }) => {
    await page.goto(mock.url);
    await expect(page.getByLabel("User name")).toBeFocused();
    await page.keyboard.type("student");
    await page.keyboard.press("Tab");
    await page.keyboard.type("student");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
  });

  test("says in place that the password is wrong, and lets the next try begin", async ({ page, mock }) => {
    await page.goto(mock.url);
    await page.getByLabel("User name").fill("student");
    await page.getByLabel("Password", { exact: true }).fill("nonsense");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByText("User name or password is wrong.")).toBeVisible();
    const password = page.getByLabel("Password", { exact: true });
    await expect(password).toBeFocused();
    await expect(password).toHaveValue("");
    await expect(password).toHaveAttribute("aria-invalid", "true");
    await expectAccessible(page);
    await page.keyboard.type("student");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
  });

  test("asks for what is missing", async ({ page, mock }) => {
    await page.goto(mock.url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByText("Enter your user name.")).toBeVisible();
    await expect(page.getByLabel("User name")).toBeFocused();
  });

  test("counts down after too many tries", async ({ page, mock }) => {
    mock.faults.tries = 3;
    await page.goto(mock.url);
    await page.getByLabel("User name").fill("student");
    await page.getByLabel("Password", { exact: true }).fill("student");
    await page.clock.install();
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByText("Too many tries. You can try again in 3 seconds.")).toBeVisible();
    await expect(page.getByRole("button", { name: "Sign in" })).toBeDisabled();
    mock.faults.tries = 0;
    await page.clock.runFor(4_000);
    await expect(page.getByRole("button", { name: "Sign in" })).toBeEnabled();
  });

  test("shows why when nobody can check passwords", async ({ page, mock }) => {
    mock.faults.refuse = "no-manager";
    await page.goto(mock.url);
    await page.getByLabel("User name").fill("student");
    await page.getByLabel("Password", { exact: true }).fill("student");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("alert")).toContainText("No cluster manager answers");
    await expect(page.getByText("Trace id")).toBeVisible();
  });

  test("goes back to the link that it was reached from", async ({ page, mock }) => {
    await page.goto(`${mock.url}/manage/servers`);
    await page.getByLabel("User name").fill("operator");
    await page.getByLabel("Password", { exact: true }).fill("operator");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page).toHaveURL(`${mock.url}/manage/servers`);
    await expect(page.getByRole("heading", { name: "Servers" })).toBeVisible();
  });

  test("never goes to another place", async ({ page, mock }) => {
    await page.goto(`${mock.url}/signin?to=//elsewhere.example`);
    await page.getByLabel("User name").fill("student");
    await page.getByLabel("Password", { exact: true }).fill("student");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page).toHaveURL(`${mock.url}/`);
  });

  test("is where a revoked login ends, with the reason", async ({ page, mock, open }) => {
    await open("/");
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
    mock.signOut("An administrator ended your login.");
    await expect(page.getByText("An administrator ended your login.")).toBeVisible();
  });

  test("is where signing out leads", async ({ page, open }) => {
    await open("/");
    await page.getByRole("button", { name: "Account of student" }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await expect(page.getByLabel("User name")).toBeVisible();
  });
});
