import { defineConfig } from "vitest/config";

// Where a Kinote server listens while the viewer is developed with `npm run dev`.
const server = "http://127.0.0.1:8080";

export default defineConfig({
  build: {
    outDir: "../src/kinote/web/static",
    emptyOutDir: true,
    target: "es2022",
    // A data: address would not pass a Content-Security-Policy of 'self'.
    assetsInlineLimit: 0,
  },
  server: { proxy: { "/api": server, "/dicomweb": server } },
  test: {
    include: ["test/**/*.test.{ts,tsx}"],
    // Tests that need a page say so themselves.
    environment: "node",
    environmentOptions: { happyDOM: { url: "http://kinote.test/" } },
  },
});
