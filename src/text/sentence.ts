/** A message as a sentence: with a capital letter, and a full stop unless it ends otherwise. */
export function sentenceOf(text: string): string {
  const shown = text.trim()
  return `${shown.slice(0, 1).toUpperCase()}${shown.slice(1)}${/[.!?]$/.test(shown) ? '' : '.'}`
}
