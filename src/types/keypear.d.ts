/** The part of keypear 1.2 that we use; the package has no types of its own. */
declare module 'keypear' {
  /** A derived key. `scalar`, `dh` and `sign` are null when the chain was opened with a public key alone. */
  interface KeypearKey {
    readonly publicKey: Buffer
    readonly scalar: Buffer | null
    readonly writable: boolean
    readonly dh: ((publicKey: Uint8Array) => Buffer) | null
    readonly sign: ((message: Uint8Array) => Buffer) | null
    verify(message: Uint8Array, signature: Uint8Array): boolean
  }

  class Keychain {
    /** @param home a key pair, or a public key alone as a Buffer (any other Uint8Array is taken for a key pair) */
    constructor(home: Buffer | { publicKey: Uint8Array; secretKey: Uint8Array })
    /** The child under `name`; throws a plain Error when the parent is not a point of the curve. */
    get(name?: string | Uint8Array): KeypearKey
  }

  export default Keychain
}
