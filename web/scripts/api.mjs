/** Generates `src/api/schema.ts` from `openapi.json`, the document that the node serves at /api/v1/openapi.json. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

if (existsSync("openapi.json")) {
  execFileSync("npx", ["openapi-typescript", "openapi.json", "-o", "src/api/schema.ts"], {
    stdio: "inherit",
  });
} else {
  console.error(
    "openapi.json is missing: save the answer of GET /api/v1/openapi.json beside package.json first",
  );
  process.exitCode = 1;
}
