/// <reference types="vitest/config" />
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { compressed } from "./scripts/compressed.ts";
import { thirdPartyNotices } from "./scripts/notices.ts";

export default defineConfig({
  plugins: [react(), thirdPartyNotices(), compressed()],
  build: {
    // noVNC asks for its decoders with a top-level await.
    target: "es2022",
    // The policy of the page allows files only, no data inside of styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        manualChunks(id) {
          if (id.includes("/@novnc/")) return "viewer";
          if (/node_modules\/(react|react-dom|scheduler)\//.test(id)) return "react";
          return undefined;
        },
      },
    },
  },
  server: {
    proxy: {
      "/api": { target: "http://localhost:3399", ws: true },
      "/mock": { target: "http://localhost:3399" },
    },
  },
  test: {
    include: ["src/**/*.test.ts"],
    environment: "node",
  },
});
