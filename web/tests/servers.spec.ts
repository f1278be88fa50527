import { readFileSync } from "node:fs";
import { expect, expectAccessible, look, test } from "./fixtures.ts";

test.describe("manage servers", () => {
  test("is accessible as table and as cards", async ({ page, open }) => {
    await open("/manage/servers", "operator");
    await expect(page.getByText("node-1.lab.example.org")).toBeVisible();
    await expectAccessible(page);
    const cards = page.getByText("Cards", { exact: true });
    if (await cards.isVisible()) {
      await cards.click();
      await expect(page.getByRole("table")).toHaveCount(0);
      await expectAccessible(page);
    }
  });

  test("follows the servers live", async ({ page, mock, open }) => {
    await open("/manage/servers", "operator");
    await expect(page.getByText("All 6")).toBeVisible();
    const row = page.getByRole("row").or(page.getByRole("listitem")).filter({ hasText: "node-2" });
    mock.putServer("node-2", { cpu: 77, sessions: 9 });
    await expect(row).toContainText("77 %");
    mock.putServer("node-2", { online: false, lastSeen: "2026-01-01T12:00:00Z" });
    await expect(row).toContainText("Lost");
    await expect(row).toContainText("Silent since 1 Jan, 13:00");
    mock.putServer("node-7", {});
    await expect(page.getByText("All 7")).toBeVisible();
    mock.removeServer("node-7");
    await expect(page.getByText("All 6")).toBeVisible();
  });

  test("filters, groups and sorts", async ({ page, open }) => {
    await open("/manage/servers", "operator");
    const names = page.getByRole("button", { name: /^Details of/ });
    await expect(names).toHaveCount(6);
    await page.getByRole("searchbox").fill("l4");
    await expect(names).toHaveCount(1);
    await expect(names).toContainText("node-3");
    await page.getByRole("searchbox").fill("nothing like it");
    await page.getByRole("button", { name: "Show all servers" }).click();
    await page.getByText("Lost 1").click();
    await expect(names).toHaveCount(1);
    await page.getByText("All 6").click();
    const table = page.getByRole("table");
    if (await table.isVisible()) {
      await table.getByRole("button", { name: "Sessions" }).click();
      const header = table.getByRole("columnheader", { name: "Sessions" });
      await expect(header).toHaveAttribute("aria-sort", "descending");
    } else {
      await page.getByLabel("Sort by").selectOption("Sessions");
    }
    await expect(names.first()).toContainText("node-6");
  });

  test("keeps its rows under the pointer, and sorts anew once it leaves", async ({ page, mock, open }) => {
    await open("/manage/servers", "operator");
    const names = page.getByRole("button", { name: /^Details of/ });
    await expect(names).toHaveCount(6);
    const table = page.getByRole("table");
    if (await table.isVisible()) await table.getByRole("button", { name: "Load" }).click();
    else await page.getByLabel("Sort by").selectOption("Load");
    await expect(names.first()).toContainText("node-6");
    await names.first().hover();
    mock.putServer("node-3", { cpu: 99 });
    const changed = page.getByRole("row").or(page.getByRole("listitem")).filter({ hasText: "node-3" });
    await expect(changed).toContainText("99 %");
    await expect(names.first()).toContainText("node-6");
    await page.getByRole("heading", { name: "Servers", exact: true }).hover();
    await page.getByRole("searchbox").focus();
    await expect(names.first()).toContainText("node-3");
  });

  test("shows all that is known of a server, and how to change it", async ({ page, open }) => {
    await open("/manage/servers", "operator");
    await page.getByRole("button", { name: "Details of node-3.lab.example.org" }).click();
    const details = page.getByRole("dialog");
    await expect(details).toContainText('"model": "L4"');
    await expect(details).toContainText("kubectl edit computenode node-3");
    await expect(details.getByRole("link", { name: "Flow around a wing" })).toBeVisible();
    await expectAccessible(page);
    await page.keyboard.press("Escape");
    await expect(page.getByRole("button", { name: "Details of node-3.lab.example.org" })).toBeFocused();
  });

  test("says what is missing, and how to find out about a lost one", async ({ page, open }) => {
    await open("/manage/servers", "operator");
    const row = page.getByRole("row").or(page.getByRole("listitem")).filter({ hasText: "node-6" });
    await expect(row).toContainText("The disk of /home is full (99 %).");
    await look(page, "servers");
    await page.getByRole("button", { name: "Details of node-5.lab.example.org" }).click();
    const details = page.getByRole("dialog");
    await expect(details).toContainText("cut from the network");
    await expect(details).toContainText("sudo fastxctl doctor");
    await expectAccessible(page);
    await look(page, "server-lost");
  });

  test("exports what is shown", async ({ page, open }) => {
    await open("/manage/servers", "operator");
    await page.getByText("Lost 1").click();
    await page.getByRole("button", { name: "Export" }).click();
    const download = page.waitForEvent("download");
    await page.getByRole("menuitem", { name: "As CSV" }).click();
    const lines = readFileSync(await (await download).path(), "utf8").split("\r\n");
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain("node-5.lab.example.org,false");
  });

  test("is for managers", async ({ page, open }) => {
    await open("/manage/servers", "student");
    await expect(page.getByRole("heading", { name: "Only managers see this" })).toBeVisible();
    await expect(page.getByRole("link", { name: "Manage" })).toHaveCount(0);
  });
});

test.describe("beside the way", () => {
  test("an unknown address says so", async ({ page, open }) => {
    await open("/no/such/page");
    await expect(page.getByRole("heading", { name: "There is nothing at this address" })).toBeVisible();
    await expectAccessible(page);
  });

  test("a server that is slow to say who one is leaves no empty page", async ({ page, open }) => {
    let letGo = () => {};
    const held = new Promise<void>(resolve => {
      letGo = resolve;
    });
    await page.route("**/api/v1/me", async route => {
      await held;
      await route.continue();
    });
    await open("/");
    await expect(page.getByText("Loading")).toBeVisible();
    await expectAccessible(page);
    letGo();
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
  });

  test("a server that does not answer is told, and tried again", async ({ page, mock, open }) => {
    mock.faults.cut = true;
    await open("/");
    await expect(page.getByRole("alert")).toContainText("The server does not answer");
    mock.faults.cut = false;
    await page.getByRole("button", { name: "Try again" }).click();
    await expect(page.getByRole("heading", { name: "Sessions" })).toBeVisible();
  });
});
