/** Where buffers that take whole pages begin to be worth their system calls, bytes. */
const LEAST_BYTES = 16 * 1024

/** Not in the types of the version that we compile for; Node has it since 20. */
type Resizable = new (size: number, options: { maxByteLength: number }) => ArrayBuffer

/**
 * A buffer in pages of its own, which the system gets back as soon as it is collected. What the C library allocates does not
 * always return: glibc keeps all freed memory that lies below something that is still in use.
 * @param size bytes; small buffers are ordinary ones
 */
export function pageBuffer(size: number): Uint8Array {
  if (size < LEAST_BYTES) return new Uint8Array(size)
  // V8 allocates resizable buffers by pages, others by malloc.
  const buffer = new (ArrayBuffer as unknown as Resizable)(size, { maxByteLength: size })
  return new Uint8Array(buffer, 0, size)
}
