/** A sentence of the server; what is typed in it, between backticks, is set as code. */
export function Sentence({ text }: { text: string }) {
  return text.split("`").map((part, at) => (at % 2 ? <code key={at}>{part}</code> : part));
}
