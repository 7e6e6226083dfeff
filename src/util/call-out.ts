/**
 * Calls what a program has put in: a listener, a callback. What that throws is the program's own mistake, which
 * Node.js reports as usual; what is under way here goes on.
 */
export function callOut(call: () => void): void {
  try {
    call()
  } catch (err) {
    process.nextTick(() => {
      throw err
    })
  }
}
