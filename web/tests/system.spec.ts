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
    await expect(page.locator("pre [data-kind=word]")).toHaveText(["function", "return"]);
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

  test("says what may follow a dot in a script, and puts it there by keyboard", async ({ page, open }) => {
    await open("/system/global", "chief");
    await page.getByRole("button", { name: "Session start scripts" }).click();
    await page.getByRole("button", { name: "Add script" }).click();
    const script = page.getByRole("textbox", { name: "Script", exact: true });
    await script.fill("");
    await script.pressSequentially("s => s.mo");
    const names = page.getByRole("group", { name: "What may follow the dot" });
    // From the static data of a server.
    await expect(names.getByRole("button")).toHaveText(["model"]);
    await expectAccessible(page);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await expect(script).toBeFocused();
    await page.keyboard.type(" === 1");
    await expect(script).toHaveValue("s => s.model === 1");
    await expect(names.getByRole("button")).toHaveCount(0);
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
    await page.getByRole("button", { name: "Debugging" }).click();
    await page.getByRole("button", { name: "Static data" }).click();
    await expect(data).toHaveValue('{ "rack": "A2", ');
    await expect(page.getByText(/^This is not JSON/)).toBeVisible();
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

test.describe("history of the settings", () => {
  const later = { at: new Date().toISOString(), via: "administrator", by: "anna" };

  test("leads back to an earlier version by way of the draft @look", async ({ page, mock, open }) => {
    await open("/system/global", "chief");
    await page.getByRole("button", { name: "History" }).press("Enter");
    const rows = page.getByRole("listitem");
    await expect(rows).toHaveCount(5);
    await expect(rows.first()).toContainText("3 hours ago");
    await expect(rows.first()).toContainText("chief (you)");
    await expect(rows.first()).toContainText("In force");
    await expect(page.getByText("In force")).toHaveCount(1);
    await expect(rows.nth(2)).toContainText("Kubernetes, from lab/physics");
    await expect(rows.nth(3)).toContainText("A command, such as upload-store");
    await expect(rows.nth(4)).toContainText("Time not known");
    await expectAccessible(page);
    await look(page, "system-history");
    const anna = page.getByRole("button", { name: "2 days ago" });
    await anna.press("Enter");
    await expect(anna).toHaveAttribute("aria-expanded", "true");
    await expect(page.getByText("Going back to it makes 2 changes:")).toBeVisible();
    await expect(rows.filter({ hasText: "Roles › Managers" }).last()).toContainText("anna");
    await expect(rows.filter({ hasText: "Message of the day" }).last()).toContainText("removed");
    await expectAccessible(page);
    await look(page, "system-history-version");
    await page.getByRole("button", { name: "Take this version into the draft" }).press("Enter");
    await expect(page.getByText("This version is in your draft.")).toBeFocused();
    await expect(page.getByText("2 unsaved changes")).toBeVisible();
    expect(mock.state.system.generation, "nothing is saved yet").toBe(7);
    await expectAccessible(page);
    await look(page, "system-history-taken");
    await page.getByRole("button", { name: "Review and save" }).press("Enter");
    await page
      .getByRole("dialog", { name: "Save 2 changes?" })
      .getByRole("button", { name: "Save for all servers" })
      .press("Enter");
    await expect(page.getByText("Saved for all servers")).toBeVisible();
    expect(mock.state.system.global).toMatchObject({ message: "", roles: { managerUsers: ["anna"] } });
    await expect(rows).toHaveCount(6);
    await expect(rows.first()).toContainText("just now");
    await expect(rows.first()).toContainText("chief (you)");
    await expect(rows.first()).toContainText("In force");
    await expect(page.getByText("In force")).toHaveCount(1);
  });

  test("asks before a version takes the place of a draft @look", async ({ page, mock, open }) => {
    await open("/system/global", "chief");
    await page.getByLabel("Name of the cluster").fill("Chemistry lab");
    await page.getByRole("button", { name: "History" }).click();
    await page.getByRole("button", { name: "from lab/physics" }).click();
    await expect(page.getByText("managedBy"), "that is for Kubernetes to say").toHaveCount(0);
    await expectAccessible(page);
    await look(page, "system-history-script");
    const take = page.getByRole("button", { name: "Take this version into the draft" });
    await take.click();
    const dialog = page.getByRole("dialog", { name: "Replace your unsaved changes?" });
    await expectAccessible(page);
    await dialog.getByRole("button", { name: "Keep my changes" }).click();
    await expect(dialog).toHaveCount(0);
    await expect(page.getByText("1 unsaved change")).toBeVisible();
    await take.click();
    await dialog.getByRole("button", { name: "Replace my changes" }).click();
    await expect(dialog).toHaveCount(0);
    await expect(page.getByText("This version is in your draft.")).toBeFocused();
    await page.getByRole("button", { name: "Sign-in", exact: true }).click();
    await expect(page.getByLabel("Name of the cluster")).toHaveValue("Physics lab");
    await page.getByRole("button", { name: "Review and save" }).click();
    await page.getByRole("button", { name: "Save for all servers" }).click();
    await expect(page.getByText("Saved for all servers")).toBeVisible();
    expect(mock.state.system.global).toMatchObject({ managedBy: "", scripts: [{ name: "keep-gpus" }] });
  });

  test("is to be looked at only where Kubernetes manages the settings @look", async ({
    page,
    mock,
    open,
  }) => {
    mock.state.system.managedBy.global = "lab/physics";
    await open("/system/global", "chief");
    await page.getByRole("button", { name: "History" }).click();
    await page.getByRole("button", { name: "2 days ago" }).click();
    await expect(page.getByText("to go back, change the resource that is named above")).toBeVisible();
    await expect(page.getByRole("button", { name: "Take this version" })).toHaveCount(0);
    await expectAccessible(page);
    await page.getByText("to go back, change the resource").scrollIntoViewIfNeeded();
    await look(page, "system-history-locked");
  });

  test("tells of one server who joined, and when there is nothing to go back to", async ({
    page,
    mock,
    open,
  }) => {
    await open("/system/local", "chief");
    await page.getByRole("button", { name: "History" }).click();
    await page.getByRole("button", { name: "node-1.lab.example.org, when it joined" }).click();
    await page.getByRole("button", { name: "Take this version into the draft" }).click();
    await page.getByRole("button", { name: "Discard" }).click();
    await expect(page.getByRole("button", { name: "Take this version into the draft" })).toBeVisible();
    mock.state.system.history.local.pop();
    await page.reload();
    await page.getByRole("button", { name: "History" }).click();
    await expect(page.getByText("There is no earlier version yet.")).toBeVisible();
    await expect(page.getByRole("listitem").filter({ hasText: "In force" })).toBeVisible();
    await expectAccessible(page);
  });

  test("outlives faults, and a version that is gone meanwhile @look", async ({ page, mock, open }) => {
    let broken = true;
    await page.route("**/system/global/history", route =>
      broken ? route.fulfill({ status: 503, json: {} }) : route.continue(),
    );
    await open("/system/global", "chief");
    await page.getByRole("button", { name: "History" }).click();
    await expect(page.getByRole("alert")).toContainText("The history could not be loaded");
    await expectAccessible(page);
    broken = false;
    await page.getByRole("button", { name: "Try again" }).click();
    const gone = page.getByRole("button", { name: "2 days ago" });
    await expect(gone).toBeVisible();
    mock.state.system.history.global.splice(1, 1);
    await gone.click();
    await expect(page.getByRole("alert")).toContainText("That version is not kept");
    await expectAccessible(page);
    await look(page, "system-history-gone");
    await page.getByRole("button", { name: "Load the history again" }).press("Enter");
    await expect(gone).toHaveCount(0);
    await expect(page.getByText("Choose one to see")).toBeFocused();
    await expect(page.getByRole("button", { name: "from lab/physics" })).toBeVisible();
  });

  test("says that somebody saved since the settings were opened", async ({ page, mock, open }) => {
    await open("/system/global", "chief");
    await expect(page.getByLabel("Name of the cluster")).toHaveValue("Physics lab");
    const { system } = mock.state;
    const [present, ...earlier] = system.history.global;
    if (!present) throw new Error("the mock has no history");
    system.generation = 8;
    system.history.global = [
      { ...later, generation: 8 },
      { ...present, document: system.global },
      ...earlier,
    ];
    system.global = { ...system.global, displayName: "Chemistry lab" };
    await page.getByRole("button", { name: "History" }).click();
    await expect(page.getByText("These settings changed after you opened them.")).toBeVisible();
    await expectAccessible(page);
    await page.getByRole("button", { name: "Load the newer ones" }).click();
    await expect(page.getByText("These settings changed after you opened them.")).toHaveCount(0);
    await page.getByRole("button", { name: "3 hours ago" }).click();
    await expect(page.getByRole("listitem").filter({ hasText: "Name of the cluster" }).last()).toContainText(
      "Chemistry lab",
    );
  });
});
