/** Programs of the system that tell what it has. */
import { execFile } from 'node:child_process'

/** Longer than any of them takes. */
const TOOL_MS = 10_000

/** More than the longest list of sockets. */
const OUTPUT_MAX = 16 * 1024 * 1024

/**
 * Runs one, and gives what it says.
 * @throws Error when it is missing, fails without saying anything, or does not end
 */
export function toolOutput(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: TOOL_MS, maxBuffer: OUTPUT_MAX, windowsHide: true }
    execFile(program, args, options, (err, stdout) => {
      // lsof fails where a part of what it was asked for is not there, and tells the rest.
      if (err && stdout === '') reject(err)
      else resolve(stdout)
    })
  })
}
