/** Whether a text was meant to be a ticket, whole or not: no key begins so. */
export function looksLikeTicket(text: string): boolean {
  return /^\W*hnat\d/i.test(text)
}
