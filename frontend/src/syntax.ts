// Which words of code get which colour, for the languages of job scripts and their code.
//
// One pattern for each language, whose groups are the kinds. Colours need no parser, and
// the libraries for it are larger than the rest of the panel.

export const KINDS = [
  "comment",
  "meta",
  "string",
  "attribute",
  "name",
  "keyword",
  "literal",
  "builtin",
  "variable",
  "number",
  "added",
  "removed",
] as const;
export type Kind = (typeof KINDS)[number];

type Patterns = [Kind, string | RegExp][];

// Each alternative begins differently, so that no text makes them try again and again.
const DOUBLE = /"(?:[^"\\\n]|\\[^])*"?/;
const SINGLE = /'(?:[^'\\\n]|\\[^])*'?/;
const NUMBER = /\b(?:0[xob][\da-f_]+|\d[\d_]*(?:\.[\d_]*)?(?:e[+-]?\d+)?)\w?\b/;
const HASH_COMMENT = /(?<=^|[\s;])#.*/;
const TRIPLE = /"""(?:[^"\\]|\\[^]|"(?!""))*(?:""")?|'''(?:[^'\\]|\\[^]|'(?!''))*(?:''')?/;

function words(text: string): RegExp {
  return new RegExp(`\\b(?:${text.trim().split(/\s+/).join("|")})\\b`);
}

const python: Patterns = [
  ["comment", /#.*/],
  ["string", new RegExp(`\\b[rbufRBUF]{0,2}(?:${TRIPLE.source}|${DOUBLE.source}|${SINGLE.source})`)],
  ["string", new RegExp(`${TRIPLE.source}|${DOUBLE.source}|${SINGLE.source}`)],
  ["meta", /(?<=^[ \t]*)@[\w.]+/],
  ["name", /(?<=\b(?:def|class)[ \t]+)\w+/],
  [
    "keyword",
    words(`and as assert async await break case class continue def del elif else except finally
      for from global if import in is lambda match nonlocal not or pass raise return try while
      with yield`),
  ],
  ["literal", words("True False None Ellipsis")],
  [
    "builtin",
    words(`abs all any bool bytes callable dict dir enumerate filter float format frozenset
      getattr hasattr hash id input int isinstance issubclass iter len list map max min next
      object open print property range repr reversed round self set setattr slice sorted
      staticmethod str sum super tuple type zip`),
  ],
  ["number", NUMBER],
];

const bash: Patterns = [
  ["meta", /^#(?:!|SBATCH\b|PBS\b|BSUB\b|\$).*/],
  ["comment", HASH_COMMENT],
  ["string", /"(?:[^"\\]|\\[^])*"?|'[^']*'?/],
  ["variable", /\$\{[^}\n]*\}?|\$[\w@#?*!$-]\w*/],
  ["name", /^[ \t]*[\w-]+(?=\(\))/],
  ["attribute", /\b[A-Za-z_]\w*(?==)/],
  [
    "keyword",
    words(`if then elif else fi for in while until do done case esac select function return exit
      break continue export local readonly declare unset source set shift trap`),
  ],
  [
    "builtin",
    words(`cd echo printf test read exec eval module sbatch srun mpirun mpiexec salloc scancel
      python python3 conda mamba pip grep sed awk cat cp mv rm mkdir chmod ls tee`),
  ],
  ["number", NUMBER],
];

const json: Patterns = [
  ["attribute", /"(?:[^"\\\n]|\\.)*"(?=\s*:)/],
  ["string", DOUBLE],
  ["literal", words("true false null")],
  ["number", /-?\b\d[\d.]*(?:e[+-]?\d+)?\b/],
];

const yaml: Patterns = [
  ["comment", HASH_COMMENT],
  ["attribute", /(?<=^[ \t]*(?:- +)*)[\w"'][\w ./"'-]*(?=:(?:\s|$))/],
  ["string", /"(?:[^"\\]|\\[^])*"?|'[^']*'?/],
  ["meta", /^(?:---|\.\.\.)|(?<=[\s[{,])[&*!][\w!-]+/],
  ["literal", words("true false null yes no on off")],
  ["number", NUMBER],
];

const toml: Patterns = [
  ["comment", /(?<=^|\s)[#;].*/],
  ["name", /^[ \t]*\[[^\]\n]*\]+/],
  ["attribute", /^[ \t]*[\w."-]+(?=[ \t]*=)/],
  ["string", new RegExp(`${TRIPLE.source}|${DOUBLE.source}|${SINGLE.source}`)],
  ["literal", words("true false")],
  ["number", NUMBER],
];

const c: Patterns = [
  ["comment", /\/\/.*|\/\*(?:[^*]|\*(?!\/))*(?:\*\/)?/],
  ["meta", /^[ \t]*#[ \t]*\w+/],
  ["string", new RegExp(`${DOUBLE.source}|${SINGLE.source}`)],
  [
    "keyword",
    words(`auto break case catch class const constexpr continue default delete do else enum extern
      for friend goto if import inline let namespace new noexcept operator private protected public
      return sizeof static struct switch template this throw try typedef typename union using var
      virtual volatile while function export fn impl match mut pub use where`),
  ],
  ["literal", words("true false null nullptr NULL undefined")],
  [
    "builtin",
    words("bool char double float int long short signed size_t std string unsigned void"),
  ],
  ["number", NUMBER],
];

const fortran: Patterns = [
  ["comment", /!.*/],
  ["string", /"[^"\n]*"?|'[^'\n]*'?/],
  [
    "keyword",
    words(`allocate allocatable call case contains cycle deallocate do else elseif end enddo endif
      exit function if implicit in inout intent interface module none only out parameter print
      procedure program pure read recursive result return select stop subroutine then type use
      while write`),
  ],
  ["builtin", words("character complex dimension integer logical real")],
  ["number", NUMBER],
];

const diff: Patterns = [
  ["meta", /^(?:@@|diff |index |--- |\+\+\+ ).*/],
  ["added", /^\+.*/],
  ["removed", /^-.*/],
];

const LANGUAGES: Record<string, Patterns> = { python, bash, json, yaml, toml, c, fortran, diff };
const ALIASES: Record<string, string> = {
  py: "python",
  pyi: "python",
  python3: "python",
  ipython: "python",
  sh: "bash",
  shell: "bash",
  zsh: "bash",
  console: "bash",
  sbatch: "bash",
  slurm: "bash",
  pbs: "bash",
  ipynb: "json",
  jsonc: "json",
  yml: "yaml",
  ini: "toml",
  cfg: "toml",
  h: "c",
  cc: "c",
  cpp: "c",
  cxx: "c",
  "c++": "c",
  hpp: "c",
  cu: "c",
  cuda: "c",
  java: "c",
  js: "c",
  javascript: "c",
  ts: "c",
  typescript: "c",
  rust: "c",
  rs: "c",
  f: "fortran",
  f90: "fortran",
  patch: "diff",
};

/** The name under which a language is known here, or "" when it is not. */
export function knownLanguage(name: string): string {
  const lower = name.toLowerCase();
  if (Object.hasOwn(LANGUAGES, lower)) return lower;
  return Object.hasOwn(ALIASES, lower) ? (ALIASES[lower] ?? "") : "";
}

export interface Grammar {
  pattern: RegExp;
  /** The kind of each group of the pattern. */
  kinds: Kind[];
}

const compiled = new Map<string, Grammar>();

/** The pattern of a known language. */
export function grammarOf(language: string): Grammar {
  let grammar = compiled.get(language);
  if (!grammar) {
    const patterns = LANGUAGES[language] ?? [];
    const sources = patterns.map(([, part]) => `(${typeof part === "string" ? part : part.source})`);
    // Fortran does not tell cases apart, and no other language is coloured worse for it
    // but Python and C, whose keywords are lower case.
    const flags = language === "python" || language === "c" ? "gm" : "gmi";
    grammar = { pattern: new RegExp(sources.join("|"), flags), kinds: patterns.map(([kind]) => kind) };
    compiled.set(language, grammar);
  }
  return grammar;
}
