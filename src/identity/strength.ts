/**
 * Estimates how guessable a secret is. A server's public key verifies guesses offline: an attacker with the key hashes some 70,000
 * candidates a second on one core, and with a hit can pose as the server.
 *
 * Estimators with dictionaries (zxcvbn and its successors) were measured at 60 to 100 ms of start-up and several
 * megabytes, too much for a daemon that should start at once. A length that discounts words and patterns, and a list of the secrets
 * in our documentation, catch what people type in practice.
 */

/** Bits below which we warn: 2^56 guesses take months on a machine full of graphics cards. */
const ENOUGH_BITS = 56

/** A run of at least so many letters counts as a word. */
const WORD_LETTERS = 4

/** Bits per letter of a word, by what dictionary attacks need: 10,000 words of some 5.5 letters. */
const WORD_BITS_PER_LETTER = 2.4

/** Four digits that are a year, and bits for one of the last and next hundred. */
const YEAR = /^(19|20)\d\d$/
const YEAR_BITS = 7

/** Secrets and placeholders of our documentation, old and new, and the words that people start with. */
const COMMON = new Set(
  (
    'mysecret secret thisisaseretsecret thisisasecretsecret thisisasecret supersecret topsecret yoursecret changeme ' +
    'alongtextthatnobodyguesses anotherlongtextthatnobodyguesses password passwort passwd letmein qwerty qwertz ' +
    'asdf admin root test testing example hello server client game minecraft factorio valheim terraria hypernat hyper friends'
  ).split(' ')
)

/** Blanks, digits and signs around such a word that do not make it another one: `Secret_2024!`. */
const COMMON_EXTRAS = 6

/**
 * Why `text` makes a poor secret, as the rest of a sentence that starts with "the secret"; undefined when it looks fine.
 * Never contains the text.
 */
export function weaknessOf(text: string): string | undefined {
  const letters = text.toLowerCase().replace(/[^a-z]/g, '')
  if (COMMON.has(letters) && text.length - letters.length <= COMMON_EXTRAS) {
    return 'is one of the first that anyone tries'
  }
  if (estimateBits(text) < ENOUGH_BITS) return text.length < 20 ? 'is short' : 'is made of words or a pattern'
  return undefined
}

/** A rough count of the bits that an attacker who knows how people choose secrets has to guess. */
export function estimateBits(text: string): number {
  let bits = 0
  // Digits, letters and the rest are guessed as runs: a word, a year, a sign.
  for (const run of text.match(/[a-z]+|[A-Z][a-z]*|[0-9]+|[^a-zA-Z0-9]+/g) ?? []) bits += runBits(run)
  return bits
}

function runBits(run: string): number {
  if (YEAR.test(run)) return YEAR_BITS
  const chars = [...run]
  const fresh = chars.filter((_, i) => !continues(chars, i)).length
  // What merely repeats or counts on costs a bit to say so, not a character.
  const patterned = fresh === chars.length ? 0 : 1
  const code = run.charCodeAt(0)
  if (code >= 48 && code <= 57) return fresh * Math.log2(10) + patterned
  if (/^[a-zA-Z]/.test(run)) {
    const perLetter = chars.length >= WORD_LETTERS ? WORD_BITS_PER_LETTER : Math.log2(26)
    // A capital where a word starts is worth a bit.
    return fresh * perLetter + (/^[A-Z]/.test(run) ? 1 : 0) + patterned
  }
  return fresh * (code > 127 ? 8 : Math.log2(33)) + patterned
}

/** True if a character goes on as the two before it: `aaa`, `abc`, `321`. Two neighbours alone come by chance. */
function continues(chars: readonly string[], i: number): boolean {
  const [first, second, third] = [i - 2, i - 1, i].map(at => chars[at]?.codePointAt(0) ?? Number.NaN)
  const step = third! - second!
  return Math.abs(step) <= 1 && step === second! - first!
}
