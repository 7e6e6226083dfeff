/** z32 (z-base-32); the package has no types of its own. */
declare module 'z32' {
  const z32: {
    readonly ALPHABET: string
    encode(bytes: Uint8Array): string
    /** Throws a plain Error on a character that is not in the alphabet. */
    decode(text: string): Buffer
  }
  export default z32
}
