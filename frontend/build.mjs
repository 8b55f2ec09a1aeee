// Builds the panel's bundle; with --check, compares with what is committed instead.
import { build } from "esbuild";
import { readFile, readdir } from "node:fs/promises";
import { resolve } from "node:path";

const target = resolve(import.meta.dirname, "../llm_scheduler/widgets/static");
const check = process.argv.includes("--check");
const limit = 200_000;

const styles = (await readdir(resolve(import.meta.dirname, "src")))
  .filter((name) => name.endsWith(".css"))
  .sort();
const shared = {
  bundle: true,
  minify: true,
  charset: "ascii",
  legalComments: "eof",
  logLevel: "warning",
  write: !check,
  target: "es2022",
};
const results = await Promise.all([
  build({
    ...shared,
    entryPoints: [resolve(import.meta.dirname, "src/index.ts")],
    format: "esm",
    outfile: resolve(target, "chat.js"),
    metafile: true,
  }),
  build({
    ...shared,
    stdin: {
      contents: styles.map((name) => `@import "./${name}";`).join("\n"),
      resolveDir: resolve(import.meta.dirname, "src"),
      loader: "css",
    },
    outfile: resolve(target, "chat.css"),
  }),
]);

let failed = false;
if (check) {
  for (const file of results.flatMap((result) => result.outputFiles)) {
    const committed = await readFile(file.path, "utf8").catch(() => "");
    if (committed !== file.text) {
      console.error(`${file.path} is not what the sources give; run \`npm run build\`.`);
      failed = true;
    }
  }
}
const size = Object.values(results[0].metafile.outputs).reduce((sum, x) => sum + x.bytes, 0);
console.log(`chat.js: ${size} bytes (limit ${limit})`);
process.exitCode = failed || size > limit ? 1 : 0;
