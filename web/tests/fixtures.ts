/** A cluster of its own for each test, somebody signed in, and a page that must not break its policy. */
import AxeBuilder from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";
import { createMock, type Mock } from "../mock/server.mjs";

interface Fixtures {
  /** Whether the cluster begins without sessions. */
  empty: boolean;
  mock: Mock;
  /** Signs in without the screen, and opens `path`. */
  open: (path: string, login?: string) => Promise<void>;
}

export const test = base.extend<Fixtures>({
  empty: [false, { option: true }],

  mock: async ({ empty }, use) => {
    const mock = await createMock({ empty, startDelay: 150 });
    await use(mock);
    await mock.stop();
  },

  page: async ({ page }, use) => {
    const broken: string[] = [];
    page.on("pageerror", error => broken.push(error.message));
    page.on("console", message => {
      if (/Content.Security.Policy/i.test(message.text())) broken.push(message.text());
    });
    await use(page);
    expect(broken, "no exception, and nothing that the page's policy bars").toEqual([]);
  },

  open: async ({ page, mock }, use) => {
    await use(async (path, login = "student") => {
      await page.context().addCookies([
        {
          name: "__Host-fastx",
          value: mock.signIn(login),
          domain: "localhost",
          path: "/",
          secure: true,
          httpOnly: true,
          sameSite: "Strict",
        },
      ]);
      await page.goto(mock.url + path);
    });
  },
});

/** No finding of WCAG 2.2 A or AA, and no sideways scrolling. */
export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page })
    // Otherwise it opens a page of its own, and the one under test loses the focus.
    .setLegacyMode()
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])
    .analyze();
  const scrolls = await page.evaluate(() => document.documentElement.scrollHeight > window.innerHeight);
  const told = violations.flatMap(({ id, nodes }) =>
    nodes
      .map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`)
      // What lies half under a bar that stays is no smaller for it: it scrolls out from there.
      .filter(finding => !(scrolls && id === "target-size" && finding.includes("partially obscured"))),
  );
  expect(told).toEqual([]);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(overflow, "the page does not scroll sideways").toBeLessThanOrEqual(0);
}

/** Keeps a picture of the page as it is now, for people to look at. */
export async function look(page: Page, name: string): Promise<void> {
  const { project } = test.info();
  await page.screenshot({ path: `test-results/looks/${name}-${project.name}.png`, animations: "disabled" });
}

/** The session that a card stands for. */
export function card(page: Page, name: string) {
  return page.getByRole("article", { name });
}

export { expect };
