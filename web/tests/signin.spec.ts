import type { Page } from "@playwright/test";
import type { Mock } from "../mock/server.mjs";
import { expect, expectAccessible, look, test } from "./fixtures.ts";

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

  test("shows the password on demand, and says which the button does", async ({ page, mock }) => {
    await page.goto(mock.url);
    const password = page.getByLabel("Password", { exact: true });
    await password.fill("student");
    await page.getByRole("button", { name: "Show password" }).click();
    await expect(password).toHaveAttribute("type", "text");
    await page.getByRole("button", { name: "Hide password" }).click();
    await expect(password).toHaveAttribute("type", "password");
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

test.describe("sign-in with several ways", () => {
  test("shows them in the cluster's order @look", async ({ page, mock }) => {
    mock.methods = ["ssh", "local", "oidc"];
    await page.goto(mock.url);
    await expect(page.getByText("With your account on the server")).toBeVisible();
    await expect(page.getByRole("link", { name: "Sign in with University login" })).toBeVisible();
    await expectAccessible(page);
    await look(page, "signin-ssh-first");
    await page.getByRole("button", { name: "Use your account of this cluster instead" }).click();
    await expect(page.getByText("With your account of this cluster", { exact: true })).toBeVisible();
    await page.getByLabel("User name").fill("student");
    await page.getByLabel("Password", { exact: true }).fill("student");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
    expect(mock.log.logins.at(-1)?.method).toBe("local");
  });

  test("begins with the provider where that comes first, and comes back from it @look", async ({
    page,
    mock,
  }) => {
    mock.methods = ["oidc", "local"];
    await page.goto(`${mock.url}/start`);
    const provider = page.getByRole("link", { name: "Sign in with University login" });
    await expect(provider).toBeVisible();
    await expectAccessible(page);
    await look(page, "signin-provider-first");
    await provider.click();
    await expect(page).toHaveURL(`${mock.url}/start`);
    await expect(page.getByRole("heading", { name: "Start a session" })).toBeVisible();
  });

  test("needs nothing but the provider's button where that is all", async ({ page, mock }) => {
    mock.methods = ["oidc"];
    await page.goto(mock.url);
    await expect(page.getByRole("link", { name: "Sign in with University login" })).toBeVisible();
    await expect(page.getByLabel("User name")).toHaveCount(0);
  });

  test("says so when no way is known", async ({ page, mock }) => {
    mock.methods = ["smoke-signals"];
    await page.goto(mock.url);
    await expect(page.getByText("no way to sign in that this page knows")).toBeVisible();
  });
});

test.describe("sign-in over SSH", () => {
  const signIn = async (page: Page, mock: Mock, password = "student") => {
    mock.methods = ["ssh"];
    await page.goto(mock.url);
    await page.getByLabel("User name").fill("student");
    await page.getByLabel("Password", { exact: true }).fill(password);
    await page.getByRole("button", { name: "Sign in" }).click();
  };

  test("keeps what is typed before the ways are known", async ({ page, mock }) => {
    mock.methods = ["ssh"];
    let tell = () => {};
    const told = new Promise<void>(resolve => {
      tell = resolve;
    });
    await page.route("**/api/v1/info", async route => {
      await told;
      await route.continue();
    });
    await page.goto(mock.url);
    await page.getByLabel("User name").fill("student");
    tell();
    await expect(page.getByText("My account is on another server")).toBeVisible();
    await expect(page.getByLabel("User name")).toHaveValue("student");
  });

  test("needs one step where a password is enough", async ({ page, mock }) => {
    await signIn(page, mock);
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
  });

  test("asks step after step, by keyboard alone @look", async ({ page, mock }) => {
    mock.faults.ssh = "several";
    await signIn(page, mock);
    const code = page.getByLabel("Verification code");
    await expect(code).toBeFocused();
    await expect(code).toHaveAttribute("autocomplete", "one-time-code");
    await expect(page.getByText("Enter the six digits")).toBeVisible();
    await expectAccessible(page);
    await look(page, "signin-code");
    await page.keyboard.type("123456");
    await page.keyboard.press("Enter");
    await expect(page.getByLabel("New password", { exact: true })).toBeFocused();
    await expectAccessible(page);
    await look(page, "signin-new-password");
    await page.keyboard.type("correct horse battery");
    await page.getByLabel("Retype new password").fill("correct horse battery");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
  });

  test("lets the server ask for the password when none was given", async ({ page, mock }) => {
    await signIn(page, mock, "");
    await expect(page.getByLabel("student's password")).toBeFocused();
    await page.keyboard.type("student");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
  });

  test("begins anew, with the name kept, after a wrong code and after a cancel", async ({ page, mock }) => {
    mock.faults.ssh = "code";
    await signIn(page, mock);
    await page.getByLabel("Verification code").fill("000000");
    await page.keyboard.press("Enter");
    await expect(page.getByText("User name or password is wrong.")).toBeVisible();
    await expect(page.getByLabel("User name")).toHaveValue("student");
    await expect(page.getByLabel("Password", { exact: true })).toBeFocused();
    await page.keyboard.type("student");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Cancel" }).click();
    await expect(page.getByLabel("User name")).toHaveValue("student");
  });

  test("says that a conversation took too long", async ({ page, mock }) => {
    mock.faults.ssh = "code";
    await signIn(page, mock);
    await expect(page.getByLabel("Verification code")).toBeFocused();
    mock.state.conversations.clear();
    await page.keyboard.type("123456");
    await page.keyboard.press("Enter");
    await expect(page.getByText("That took too long")).toBeVisible();
  });

  test("shows the command that accepts an unknown host key @look", async ({ page, mock }) => {
    mock.faults.ssh = "host-key";
    await signIn(page, mock);
    const refusal = page.getByRole("alert");
    await expect(refusal).toContainText("The host is not known here");
    await expect(refusal.getByRole("button", { name: "Copy command" })).toBeVisible();
    await expectAccessible(page);
    await look(page, "signin-host-key");
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await refusal.getByRole("button", { name: "Copy command" }).click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toMatch(/^fastx-node accept-host-key node-1:22 SHA256:/);
  });

  test("may mean another server", async ({ page, mock }) => {
    mock.methods = ["ssh"];
    await page.goto(mock.url);
    await page.getByRole("button", { name: "My account is on another server" }).click();
    await expect(page.getByLabel("Server", { exact: true })).toBeFocused();
    await page.keyboard.type("node-3");
    await expectAccessible(page);
    await page.getByLabel("User name").fill("student");
    await page.getByLabel("Password", { exact: true }).fill("student");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
    expect(mock.log.logins.at(-1)?.serverId).toBe("node-3");
  });
});
