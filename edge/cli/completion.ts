/** What completes commands in a shell, made from the grammar. Pure. @module */

import type { Shell } from "./action.ts";
import type { CommandDoc } from "./grammar.ts";

/** What may follow some words: commands, keywords, values and options, each with what it means. */
interface Place {
  /** The words before, `show tunnel`; empty: the first. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly help: string }[];
}

/** A script for a shell. */
export function completion(shell: Shell, program: CommandDoc): string {
  return scripts[shell](places(program, ""));
}

function places(command: CommandDoc, path: string): Place[] {
  const words = [
    ...command.commands.map(({ name, description }) => ({ word: name, help: description })),
    ...command.keywords.map(({ name, help }) => ({ word: name, help })),
    ...command.arguments.flatMap(({ help, values }) => values.map((word) => ({ word, help }))),
    ...command.options.flatMap(({ flags, help }) =>
      [...flags.matchAll(/--[a-z-]+/g)].map(([word]) => ({ word, help }))
    ),
  ];
  const inner = command.commands.flatMap((one) => places(one, `${path} ${one.name}`.trim()));
  return [{ path, words }, ...inner];
}

const scripts: Readonly<Record<Shell, (places: readonly Place[]) => string>> = {
  bash: (places) =>
    `# isthmus completion bash > /etc/bash_completion.d/isthmus
_isthmus() {
  local word path="" known=" ${paths(places)} "
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$known" in *" \${path:+$path/}$word "*) path="\${path:+$path/}$word" ;; esac
  done
  local words=""
  case "$path" in
${
      places.map(({ path, words }) =>
        `    ${quoted(slashed(path))}) words=${quoted(words.map(({ word }) => word).join(" "))} ;;`
      ).join("\n")
    }
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _isthmus isthmus
`,
  zsh: (places) =>
    `#compdef isthmus
# isthmus completion zsh > /usr/share/zsh/site-functions/_isthmus
_isthmus() {
  local word where="" known=" ${paths(places)} "
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$known" in *" \${where:+$where/}$word "*) where="\${where:+$where/}$word" ;; esac
  done
  local -a choices
  case "$where" in
${
      places.map(({ path, words }) =>
        `    ${quoted(slashed(path))}) choices=(${
          words.map(({ help, word }) => quoted(`${word}:${help.replaceAll(":", "\\:")}`)).join(" ")
        }) ;;`
      ).join("\n")
    }
  esac
  _describe 'isthmus' choices || _files
}
if [ "$funcstack[1]" = _isthmus ]; then _isthmus "$@"; else compdef _isthmus isthmus; fi
`,
  fish: (places) =>
    `# isthmus completion fish > ~/.config/fish/completions/isthmus.fish
function __isthmus_at
  set -l known ${paths(places)}
  set -l path
  for word in (commandline -opc)[2..-1]
    set -l next (string join -- / $path $word)
    contains -- $next $known; and set path $next
  end
  test "$path" = "$argv[1]"
end
complete -c isthmus -n 'not __isthmus_at run; and not __isthmus_at check' -f
${
      places.flatMap(({ path, words }) =>
        words.map(({ help, word }) => {
          const what = word.startsWith("--") ? `-l ${word.slice(2)}` : `-a ${quoted(word)}`;
          return `complete -c isthmus -n ${
            quoted(`__isthmus_at ${quoted(slashed(path), '"')}`)
          } ${what} -d ${quoted(help)}\n`;
        })
      ).join("")
    }`,
};

function paths(places: readonly Place[]): string {
  return places.filter(({ path }) => path !== "").map(({ path }) => slashed(path)).join(" ");
}

function slashed(path: string): string {
  return path.replaceAll(" ", "/");
}

/** A text as one word of a shell. */
function quoted(text: string, quote = "'"): string {
  return `${quote}${text.replaceAll("'", quote === "'" ? `'\\''` : "'")}${quote}`;
}
