/** Where a sign-in may lead: a path of this page, never another place. */

export function ownPath(value: unknown): string | undefined {
  if (typeof value !== "string" || !value.startsWith("/")) return undefined;
  const here = "https://page.invalid";
  try {
    const url = new URL(value, here);
    if (url.origin !== here || url.pathname === "/signin") return undefined;
    return url.pathname + url.search + url.hash;
  } catch {
    return undefined;
  }
}
