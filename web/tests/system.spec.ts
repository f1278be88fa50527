import { expect, expectAccessible, look, test } from "./fixtures.ts";

test.describe("system", () => {
  test("changes what holds everywhere, after its differences were seen @look", async ({
    page,
    mock,
    open,
  }) => {
    await open("/", "chief");
    await page.getByRole("link", { name: "System" }).click();
    await expect(page.getByText("holds on every server of the cluster")).toBeVisible();
    await expectAccessible(page);
    await look(page, "system-signin");
    await page.getByRole("button", { name: "Roles", exact: true }).click();
    await page.getByLabel("Managers", { exact: true }).fill("anna\nben\n");
    await expect(page.getByText("1 unsaved change")).toBeVisible();
    await page.getByRole("button", { name: "Applications" }).click();
    await page.getByRole("button", { name: "Remove ParaView" }).click();
    await page.getByRole("button", { name: "Add application" }).click();
    await expect(page.getByText("see the marked fields")).toBeVisible();
    await page.getByLabel("Id", { exact: true }).last().fill("gimp");
    await page.getByLabel("Command", { exact: true }).last().fill("gimp");
    await expectAccessible(page);
    await look(page, "system-applications");
    await page.getByRole("button", { name: "Review and save" }).press("Enter");
    const dialog = page.getByRole("dialog", { name: "Save 3 changes?" });
    await expect(dialog.getByRole("listitem").filter({ hasText: "Roles › Managers" })).toContainText(
      "anna, ben",
    );
    await expect(dialog.getByRole("listitem").filter({ hasText: "paraview" })).toContainText("removed");
    await expectAccessible(page);
    await look(page, "system-review");
    await dialog.getByRole("button", { name: "Save for all servers" }).press("Enter");
    await expect(page.getByText("Saved for all servers")).toBeVisible();
    await expect(page.getByText("unsaved change")).toHaveCount(0);
    expect(mock.state.system.global.roles).toMatchObject({ managerUsers: ["anna", "ben"] });
    expect(mock.state.system.global.scriptLimits, "what is not shown is kept").toMatchObject({ timeMs: 200 });
  });

  test("checks a script where it is written before it is stored @look", async ({ page, mock, open }) => {
    await open("/system/global", "chief");
    await page.getByRole("button", { name: "Session start scripts" }).click();
    await expect(page.getByText("No scripts are set up")).toBeVisible();
    await page.getByRole("button", { name: "Add script" }).click();
    await page.getByLabel("Id", { exact: true }).fill("mine");
    const script = page.getByRole("textbox", { name: "Script", exact: true });
    await script.fill("function choose(input) {\n  return ??!;\n}\n");
    await page.getByRole("button", { name: "Check", exact: true }).click();
    await expect(page.getByText("Line 2, column 12: unexpected token")).toBeVisible();
    await expectAccessible(page);
    await look(page, "system-script-fault");
    await page.getByRole("button", { name: "Show line 2" }).click();
    await expect(script).toBeFocused();
    const marked = () =>
      script.evaluate((box: HTMLTextAreaElement) => box.value.slice(box.selectionStart, box.selectionEnd));
    expect(await marked()).toBe("  return ??!;");
    await script.fill("function choose(input) {\n  return null;\n}\n");
    await expect(page.getByText("unexpected token")).toHaveCount(0);
    // Leaving the field checks it, too.
    await script.blur();
    await expect(page.getByText("It compiles.")).toBeVisible();
    await page.getByRole("button", { name: "Review and save" }).click();
    await page.getByRole("button", { name: "Save for all servers" }).click();
    await expect(page.getByText("Saved for all servers")).toBeVisible();
    expect(mock.state.system.global.scripts).toMatchObject([{ name: "mine", actions: ["session/start"] }]);
  });

  test("keeps scripts at events of a profile's sessions @look", async ({ page, mock, open }) => {
    await open("/system/global", "chief");
    await page.getByRole("button", { name: "Profiles" }).click();
    await page.getByText("Scripts at events", { exact: true }).first().click();
    await page.getByLabel("When a viewer comes").first().fill("pactl set-sink-mute 0 false");
    await expect(page.getByText("Scripts at events (1)")).toBeVisible();
    await expectAccessible(page);
    await look(page, "system-events");
    await page.getByRole("button", { name: "Review and save" }).click();
    await page.getByRole("button", { name: "Save for all servers" }).click();
    await expect(page.getByText("Saved for all servers")).toBeVisible();
    expect(mock.state.system.global.profiles).toMatchObject([
      { name: "default", eventScripts: { connect: "pactl set-sink-mute 0 false" } },
      { name: "gpu" },
    ]);
  });

  test("guards what is not saved", async ({ page, open }) => {
    await open("/system/local", "chief");
    await expect(page.getByText("holds on node-1.lab.example.org only")).toBeVisible();
    await page.getByRole("button", { name: "Static data" }).click();
    const data = page.getByRole("textbox", { name: "Static data" });
    await data.fill('{ "rack": "A2", ');
    await expect(page.getByText(/^This is not JSON/)).toBeVisible();
    await expect(page.getByRole("button", { name: "Review and save" })).toBeDisabled();
    await data.fill('{ "rack": "A2" }');
    await page.getByRole("link", { name: "Sessions", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Leave without saving?" });
    await expectAccessible(page);
    await dialog.getByRole("button", { name: "Stay here" }).click();
    await expect(data).toHaveValue('{ "rack": "A2" }');
    await page.getByRole("button", { name: "Discard" }).click();
    await page.getByRole("link", { name: "Sessions", exact: true }).click();
    await expect(page.getByRole("heading", { name: "Start your first session" })).toBeVisible();
  });

  test("is locked where Kubernetes manages it, with the line that edits it", async ({ page, mock, open }) => {
    mock.state.system.managedBy.global = "lab/physics";
    await open("/system/global", "chief");
    await expect(page.getByText("kubectl --namespace lab edit fastxcluster physics")).toBeVisible();
    await expect(page.getByLabel("Name of the cluster")).toBeDisabled();
    await expectAccessible(page);
    await look(page, "system-locked");
  });

  test("does not overwrite what somebody else saved", async ({ page, mock, open }) => {
    await open("/system/local", "chief");
    await page.getByRole("switch", { name: "Start sessions" }).click();
    mock.state.system.generation += 1;
    mock.state.system.local.hostname = "renamed.example.org";
    await page.getByRole("button", { name: "Review and save" }).click();
    await page.getByRole("button", { name: "Save for this server" }).click();
    await expect(page.getByRole("alert")).toContainText("changed meanwhile");
    await page.getByRole("button", { name: "load the newer ones" }).click();
    await expect(page.getByLabel("Host name")).toHaveValue("renamed.example.org");
    await expect(page.getByRole("switch", { name: "Start sessions" })).toBeChecked();
  });

  test("is not there for others, nor on a server without it", async ({ page, mock, open }) => {
    await open("/system/global", "operator");
    await expect(page.getByRole("heading", { name: "Only administrators see the settings" })).toBeVisible();
    await expect(page.getByRole("link", { name: "System" })).toHaveCount(0);
    mock.faults.noSystem = true;
    await open("/manage/servers", "chief");
    await expect(page.getByText("node-1.lab.example.org")).toBeVisible();
    await expect(page.getByRole("link", { name: "System" })).toHaveCount(0);
  });
});
