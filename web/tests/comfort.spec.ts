/** What readers set for themselves: larger text, their own colours, less motion, no pointer. */
import type { Locator, Page } from "@playwright/test";
import { expect, look, test } from "./fixtures.ts";

const PAGES = [
  { path: "/", login: "student", heading: "Sessions" },
  { path: "/start", login: "operator", heading: "Start a session" },
  { path: "/account/tokens", login: "student", heading: "Sign-ins and tokens" },
  { path: "/manage/servers", login: "operator", heading: "Servers" },
  { path: "/manage/sessions", login: "operator", heading: "All sessions" },
  { path: "/manage/users", login: "chief", heading: "Users" },
  { path: "/system/global", login: "chief", heading: "System" },
  { path: "/system/local", login: "chief", heading: "System" },
] as const;

async function expectNothingCut(page: Page): Promise<void> {
  await expect
    .poll(() => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth))
    .toBeLessThanOrEqual(0);
  // A button shows all of its words; what is long elsewhere may be shortened on purpose.
  const cut = await page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("button, a, label, th, dt, legend")]
      .filter(({ scrollWidth, clientWidth, scrollHeight, clientHeight }) => {
        if (clientWidth < 2 || clientHeight < 2) return false;
        return scrollWidth > clientWidth + 2 || scrollHeight > clientHeight + 2;
      })
      .filter(element => getComputedStyle(element).overflow !== "visible")
      .map(element => element.outerHTML.slice(0, 160)),
  );
  expect(cut).toEqual([]);
}

test.describe("a reader's own settings", () => {
  for (const { path, login, heading } of PAGES) {
    test(`text of twice the size has room on ${path}`, async ({ page, open }) => {
      await open(path, login);
      await expect(page.getByRole("heading", { name: heading, exact: true })).toBeVisible();
      await page.evaluate(() => {
        document.documentElement.style.fontSize = "200%";
      });
      await expectNothingCut(page);
      // As the browser's own zoom of 200 % makes it, on a small laptop.
      await page.evaluate(() => {
        document.documentElement.style.fontSize = "";
      });
      await page.setViewportSize({ width: 640, height: 400 });
      await expectNothingCut(page);
    });
  }

  test("show what is chosen in the reader's own colours", async ({ page, open }) => {
    await page.emulateMedia({ forcedColors: "active" });
    await open("/manage/servers", "operator");
    await expect(page.getByText("node-1.lab.example.org")).toBeVisible();
    const paint = (of: Locator, property: string) =>
      of.evaluate((element, name) => getComputedStyle(element).getPropertyValue(name), property);
    const tab = (name: string) =>
      page.getByRole("navigation", { name: "Manage" }).getByRole("link", { name });
    expect(await paint(tab("Servers"), "border-bottom-color")).not.toBe(
      await paint(tab("Users"), "border-bottom-color"),
    );
    const main = (name: string) => page.getByRole("navigation", { name: "Main" }).getByRole("link", { name });
    expect(await paint(main("Manage"), "background-color")).not.toBe(
      await paint(main("Sessions"), "background-color"),
    );
    const group = (name: string) => page.locator("label").filter({ hasText: name });
    expect(await paint(group("All 6"), "color")).not.toBe(await paint(group("Lost 1"), "color"));
    await look(page, "forced-servers");
  });

  test("move nothing where motion is to be reduced", async ({ page, open }) => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    await open("/");
    await page.getByRole("button", { name: "More for Thesis" }).click();
    await page.getByRole("menuitem", { name: "End session" }).click();
    await expect(page.getByRole("dialog")).toBeVisible();
    const moving = await page.evaluate(() =>
      document
        .getAnimations()
        .map(({ effect }) => effect?.getComputedTiming())
        .filter(timing => Number(timing?.duration) > 10 || timing?.iterations === Number.POSITIVE_INFINITY),
    );
    expect(moving).toEqual([]);
  });
});

/** Opens a dialog by keyboard, and says what opened it. */
interface Way {
  name: string;
  login: string;
  path: string;
  opener: (page: Page) => Locator;
  item?: string;
}

const by = (name: string) => (page: Page) => page.getByRole("button", { name, exact: true });
const WAYS: readonly Way[] = [
  ...["Share", "Rename", "Details", "End session"].map(item => ({
    name: `${item} of a session`,
    login: "student",
    path: "/",
    opener: by("More for Thesis"),
    item,
  })),
  { name: "Help", login: "student", path: "/", opener: by("Account of student"), item: "Help and about" },
  { name: "a new token", login: "student", path: "/account/tokens", opener: by("Create token") },
  {
    name: "Rename of a token",
    login: "student",
    path: "/account/tokens",
    opener: by("More for Laptop at home"),
    item: "Rename",
  },
  {
    name: "Revoke of a token",
    login: "student",
    path: "/account/tokens",
    opener: by("More for Laptop at home"),
    item: "Revoke",
  },
  {
    name: "details of a server",
    login: "operator",
    path: "/manage/servers",
    opener: by("Details of node-3.lab.example.org"),
  },
  {
    name: "the end of somebody's session",
    login: "operator",
    path: "/manage/sessions",
    opener: by("More for Thesis of student"),
    item: "End session",
  },
  {
    name: "forgetting a session",
    login: "operator",
    path: "/manage/sessions",
    opener: by("More for Logs of student"),
    item: "Forget",
  },
];

test.describe("by keyboard, Escape closes and gives the focus back:", () => {
  for (const { name, login, path, opener, item } of WAYS) {
    test(name, async ({ page, open }) => {
      await open(path, login);
      await opener(page).focus();
      await page.keyboard.press("Enter");
      if (item) {
        await expect(page.getByRole("menu")).toBeVisible();
        const entry = page.getByRole("menuitem", { name: item, exact: true });
        await expect(async () => {
          await page.keyboard.press("ArrowDown");
          await expect(entry).toBeFocused({ timeout: 200 });
        }).toPass();
        await page.keyboard.press("Enter");
      }
      const dialog = page.getByRole("dialog");
      await expect(dialog).toBeVisible();
      await expect(dialog.locator(":focus")).toHaveCount(1);
      // What has the focus can be seen to have it.
      const seen = await dialog.locator(":focus").evaluate((element: HTMLElement) => {
        const ring = () => {
          const { outline, borderColor, boxShadow } = getComputedStyle(element);
          return [outline, borderColor, boxShadow].join();
        };
        const focused = ring();
        element.blur();
        const left = ring();
        element.focus();
        return focused !== left;
      });
      expect(seen).toBe(true);
      await page.keyboard.press("Escape");
      await expect(dialog).toHaveCount(0);
      await expect(opener(page)).toBeFocused();
    });
  }
});
