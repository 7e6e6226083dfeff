/**
 * The part of sodium-native 5 that we use; the package has no types of its own. Import it as
 * `import sodium from 'sodium-native'`: its constants are not visible to Node as named exports.
 * Outputs come first, as in libsodium; every function throws a plain Error when a buffer's length is wrong.
 */
declare module 'sodium-native' {
  interface Sodium {
    /** Fills `buf` with random bytes. */
    randombytes_buf(buf: Uint8Array): void
    /** Overwrites `buf` with zeros, in a way that no compiler optimises away. */
    sodium_memzero(buf: Uint8Array): void
    /** Compares in constant time; throws when the lengths differ. */
    sodium_memcmp(a: Uint8Array, b: Uint8Array): boolean

    readonly crypto_generichash_BYTES: number
    readonly crypto_generichash_KEYBYTES: number
    /** BLAKE2b of `input`, `output.byteLength` (16 to 64) bytes long, optionally keyed (16 to 64 bytes). */
    crypto_generichash(output: Uint8Array, input: Uint8Array, key?: Uint8Array): void
    /** BLAKE2b of the concatenation of `batch`. */
    crypto_generichash_batch(output: Uint8Array, batch: readonly Uint8Array[], key?: Uint8Array): void

    readonly crypto_sign_SEEDBYTES: number
    readonly crypto_sign_PUBLICKEYBYTES: number
    readonly crypto_sign_SECRETKEYBYTES: number
    readonly crypto_sign_BYTES: number
    crypto_sign_keypair(publicKey: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean

    readonly crypto_core_ed25519_BYTES: number
    /** True for a canonical point on the curve that is in the main subgroup and not of small order. */
    crypto_core_ed25519_is_valid_point(point: Uint8Array): boolean

    /** Multiplies a point by a scalar; throws when `point` is not on the curve. */
    crypto_scalarmult_ed25519_noclamp(output: Uint8Array, scalar: Uint8Array, point: Uint8Array): void
    crypto_scalarmult_ed25519_base_noclamp(output: Uint8Array, scalar: Uint8Array): void

    /** A scalar from a 32-byte hash, and its point. */
    extension_tweak_ed25519_base(scalar: Uint8Array, point: Uint8Array, hash: Uint8Array): void
    /** The scalar of a secret key in libsodium's form. */
    extension_tweak_ed25519_sk_to_scalar(scalar: Uint8Array, secretKey: Uint8Array): void
    extension_tweak_ed25519_scalar_add(sum: Uint8Array, a: Uint8Array, b: Uint8Array): void
    /** Throws when one of the points is not on the curve. */
    extension_tweak_ed25519_pk_add(sum: Uint8Array, a: Uint8Array, b: Uint8Array): void
    extension_tweak_ed25519_sign_detached(
      signature: Uint8Array,
      message: Uint8Array,
      scalar: Uint8Array
    ): void

    readonly crypto_aead_chacha20poly1305_ietf_KEYBYTES: number
    readonly crypto_aead_chacha20poly1305_ietf_NPUBBYTES: number
    readonly crypto_aead_chacha20poly1305_ietf_ABYTES: number
    crypto_aead_chacha20poly1305_ietf_keygen(key: Uint8Array): void
    /** `ciphertext` is `message.byteLength + ABYTES` long; returns the bytes written. */
    crypto_aead_chacha20poly1305_ietf_encrypt(
      ciphertext: Uint8Array,
      message: Uint8Array,
      ad: Uint8Array | null,
      nsec: null,
      npub: Uint8Array,
      key: Uint8Array
    ): number
    /** `message` is `ciphertext.byteLength - ABYTES` long; throws when the tag does not verify. */
    crypto_aead_chacha20poly1305_ietf_decrypt(
      message: Uint8Array,
      nsec: null,
      ciphertext: Uint8Array,
      ad: Uint8Array | null,
      npub: Uint8Array,
      key: Uint8Array
    ): number
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(
      ciphertext: Uint8Array,
      mac: Uint8Array,
      message: Uint8Array,
      ad: Uint8Array | null,
      nsec: null,
      npub: Uint8Array,
      key: Uint8Array
    ): number
    /** Throws when the tag does not verify. */
    crypto_aead_chacha20poly1305_ietf_decrypt_detached(
      message: Uint8Array,
      nsec: null,
      ciphertext: Uint8Array,
      mac: Uint8Array,
      ad: Uint8Array | null,
      npub: Uint8Array,
      key: Uint8Array
    ): void
  }

  const sodium: Sodium
  export default sodium
}
