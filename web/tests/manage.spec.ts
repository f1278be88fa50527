import { readFileSync } from "node:fs";
import { expect, expectAccessible, look, test } from "./fixtures.ts";

test.describe("sessions of all", () => {
  test("filter, sort, group and export @look", async ({ page, mock, open }) => {
    await open("/manage/servers", "operator");
    await page.getByRole("link", { name: "All sessions" }).click();
    await expect(page.getByText("Flow around a wing")).toBeVisible();
    await expectAccessible(page);
    await look(page, "all-sessions");
    const more = page.getByRole("button", { name: /^More for/ });
    await expect(more).toHaveCount(4);
    mock.putSession({ id: "z1", login: "helper", name: "Render" });
    await expect(page.getByRole("button", { name: "More for Render of helper" })).toBeVisible();
    await page.getByRole("searchbox").fill("student node-3");
    await expect(more).toHaveCount(1);
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Export as CSV" }).click();
    const lines = readFileSync(await (await download).path(), "utf8").split("\r\n");
    expect(lines[0]).toBe("name,login,state,server,command,started,idleSince,viewers");
    expect(lines[1]).toMatch(/^Flow around a wing,student,.*,node-3.lab.example.org,paraview,/);
    expect(lines).toHaveLength(2);
    await page.getByRole("searchbox").fill("");
    await page.getByText("Unreachable 1").click();
    await expect(more).toHaveCount(1);
    await expect(more).toHaveAccessibleName("More for Logs of student");
  });

  test("end after naming whose they are, and why @look", async ({ page, mock, open }) => {
    await open("/manage/sessions", "operator");
    await page.getByRole("button", { name: "More for Thesis of student" }).click();
    await page.getByRole("menuitem", { name: "End session" }).click();
    const dialog = page.getByRole("dialog");
    await expect(dialog).toContainText("It belongs to student, who loses it.");
    await dialog.getByLabel("Reason").fill("The server is repaired & cleaned.");
    await expectAccessible(page);
    await look(page, "end-others");
    const sent = page.waitForRequest(request => request.method() === "DELETE");
    await dialog.getByRole("button", { name: "End session" }).click();
    expect(new URL((await sent).url()).searchParams.get("reason")).toBe("The server is repaired & cleaned.");
    await expect(page.getByRole("button", { name: "More for Thesis of student" })).toHaveCount(0);
    // Over at once, and forgotten a little later.
    await expect.poll(() => mock.session("a1")?.state ?? "ended").toBe("ended");
  });

  test("whose server is gone can be forgotten", async ({ page, open }) => {
    await open("/manage/sessions", "operator");
    await page.getByRole("button", { name: "More for Logs of student" }).press("Enter");
    await page.getByRole("menuitem", { name: "Forget" }).press("Enter");
    const dialog = page.getByRole("dialog", { name: "Forget Logs?" });
    await expect(dialog).toContainText("Its server is silent.");
    await dialog.getByRole("button", { name: "Forget" }).press("Enter");
    await expect(page.getByText("Logs was forgotten")).toBeVisible();
  });
});

test.describe("users", () => {
  test("show what they have, to managers without tokens @look", async ({ page, open }) => {
    await open("/manage/users", "operator");
    const student = page.getByRole("row").or(page.getByRole("listitem")).filter({ hasText: "student" });
    await expect(student).toContainText("3");
    await expect(page.getByRole("heading", { name: "All sign-ins and tokens" })).toHaveCount(0);
    await expectAccessible(page);
    await look(page, "users");
  });

  test("lose a token to an administrator", async ({ page, open }) => {
    await open("/manage/users", "chief");
    await page.getByRole("button", { name: "More for Nightly render" }).click();
    await expect(page.getByRole("menuitem")).toHaveText(["Revoke"]);
    await page.getByRole("menuitem", { name: "Revoke" }).click();
    await expect(page.getByRole("dialog")).toContainText("Of student, since");
    await expectAccessible(page);
    await look(page, "users-admin");
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await expect(page.getByText("Nightly render was revoked")).toBeVisible();
  });

  test("are for managers", async ({ page, open }) => {
    await open("/manage/users", "student");
    await expect(page.getByRole("heading", { name: "Only managers see this" })).toBeVisible();
  });
});
