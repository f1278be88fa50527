/** Tables as files to take away. */

/** Quoted where needed, and never a formula for the program that opens it. */
export function csvCell(value: unknown): string {
  const plain = Array.isArray(value)
    ? value.join("; ")
    : value === undefined || value === null
      ? ""
      : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t]/.test(plain) ? `'${plain}` : plain;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csv(fields: readonly string[], rows: readonly (readonly unknown[])[]): string {
  return [fields, ...rows].map(row => row.map(csvCell).join(",")).join("\r\n");
}

/** Hands a text to the browser as a file. */
export function saveFile(name: string, type: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}
