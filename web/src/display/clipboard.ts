/** Shares text with the local clipboard by itself where the browser lets the page. */

export type ClipboardAccess = "granted" | "prompt" | "denied" | "unsupported";

/** What the browser says about reading without asking each time. Only Chromium knows the question. */
export async function clipboardAccess(): Promise<ClipboardAccess> {
  if (!navigator.clipboard?.readText || !navigator.permissions?.query) return "unsupported";
  try {
    const status = await navigator.permissions.query({ name: "clipboard-read" as PermissionName });
    return status.state;
  } catch {
    return "unsupported";
  }
}

/** Makes the browser ask the reader; must run inside of a click. */
export async function askForClipboard(): Promise<ClipboardAccess> {
  try {
    await navigator.clipboard.readText();
  } catch {
    // The answer below tells.
  }
  return clipboardAccess();
}

/** Answers false when the reader has to copy by hand. */
export async function writeLocal(words: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(words);
    return true;
  } catch {
    return false;
  }
}

/** The local text; undefined when it cannot be read right now. */
export async function readLocal(): Promise<string | undefined> {
  try {
    return await navigator.clipboard.readText();
  } catch {
    return undefined;
  }
}
