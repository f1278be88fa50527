/** Prints what a first visit loads, Brotli compressed, and fails above the budget. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";

const BUDGET = 200 * 1024;
const size = file => brotliCompressSync(readFileSync(join("dist", file))).length;
const html = readFileSync("dist/index.html", "utf8");
const first = ["index.html", ...[...html.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(found => found[1])];
const kib = bytes => `${(bytes / 1024).toFixed(1).padStart(7)} KiB`;
let total = 0;
for (const file of first) {
  total += size(file);
  console.log(kib(size(file)), file);
}
console.log(kib(total), "first load, Brotli");
for (const file of readdirSync("dist/assets").filter(name => !name.endsWith(".br"))) {
  if (first.includes(`assets/${file}`)) continue;
  console.log(
    kib(size(`assets/${file}`)),
    `assets/${file} (later), plain ${kib(statSync(join("dist/assets", file)).size)}`,
  );
}
if (total > BUDGET) {
  console.error(`the first load is above the budget of ${kib(BUDGET)}`);
  process.exitCode = 1;
}
