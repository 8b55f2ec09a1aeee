import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.ts"],
    // A machine that does other things too is no failure.
    testTimeout: 30_000,
  },
});
