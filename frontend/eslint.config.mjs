import js from "@eslint/js";
import tseslint from "typescript-eslint";

const html = "Only markdown.ts may set HTML, after sanitising it.";

export default tseslint.config(
  { ignores: ["node_modules/**"] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  {
    files: ["**/*.mjs"],
    languageOptions: { globals: { console: "readonly", process: "readonly" } },
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/markdown.ts"],
    rules: {
      "no-restricted-properties": ["error", { property: "insertAdjacentHTML", message: html }],
      "no-restricted-syntax": [
        "error",
        {
          selector: "AssignmentExpression[left.property.name=/^(inner|outer)HTML$/]",
          message: html,
        },
      ],
      "no-eval": "error",
      "no-implied-eval": "error",
    },
  },
);
