/** Collects the licences of every package that ends up in the build into `third-party-notices.txt`. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

interface Notice {
  title: string;
  text: string;
}

function packageFolder(module: string): string | undefined {
  const plain = module.split("?")[0]?.replace(/^\0/, "") ?? "";
  const found = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(plain);
  return found?.[1];
}

function notice(folder: string): Notice {
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const source = typeof about.repository === "string" ? about.repository : (about.repository?.url ?? "");
  const files = readdirSync(folder).filter(name => /^(?:licen[cs]e|copying|notice)/i.test(name));
  const texts = files.map(name => readFileSync(join(folder, name), "utf8").trim());
  const extra = `${about.license ?? "licence not stated"}${source ? `, source: ${source}` : ""}`;
  return { title: `${about.name} ${about.version} (${extra})`, text: texts.join("\n\n") };
}

export function thirdPartyNotices(): Plugin {
  const folders = new Set<string>();
  return {
    name: "third-party-notices",
    apply: "build",
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        for (const module of chunk.type === "chunk" ? chunk.moduleIds : []) {
          const folder = packageFolder(module);
          if (folder) folders.add(folder);
        }
      }
      const notices = [...folders].map(notice).sort((a, b) => a.title.localeCompare(b.title));
      const rule = `\n\n${"-".repeat(78)}\n\n`;
      const source = notices.map(({ title, text }) => `${title}\n\n${text}`).join(rule);
      this.emitFile({ type: "asset", fileName: "third-party-notices.txt", source: `${source}\n` });
    },
  };
}
