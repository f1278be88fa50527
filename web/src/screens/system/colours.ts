/** Splits a script into what is painted alike; enough to read it by, not to understand it. */

export type Kind = "plain" | "word" | "text" | "number" | "comment";

export interface Piece {
  kind: Kind;
  words: string;
}

const WORDS =
  "async|await|break|case|catch|class|const|continue|default|delete|do|else|export|extends|false|finally|for|function|if|import|in|instanceof|let|new|null|of|return|static|super|switch|this|throw|true|try|typeof|undefined|var|void|while|yield";

/** In this order: what a comment or a text holds is nothing else. What is not closed yet goes to its end. */
const PIECES = new RegExp(
  [
    String.raw`(?<comment>\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$))`,
    String.raw`(?<text>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?|\`(?:\\[\s\S]|[^\`\\])*\`?)`,
    String.raw`(?<number>(?<![\w$.])\d[\w.]*)`,
    String.raw`(?<word>(?<![\w$.])(?:${WORDS})(?![\w$]))`,
  ].join("|"),
  "g",
);

export function pieces(source: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  for (const match of source.matchAll(PIECES)) {
    if (match.index > at) found.push({ kind: "plain", words: source.slice(at, match.index) });
    const [kind] = Object.entries(match.groups ?? {}).find(([, words]) => words !== undefined) ?? ["plain"];
    found.push({ kind: kind as Kind, words: match[0] });
    at = match.index + match[0].length;
  }
  if (at < source.length) found.push({ kind: "plain", words: source.slice(at) });
  return found;
}
