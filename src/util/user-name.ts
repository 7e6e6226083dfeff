import { userInfo } from 'node:os'

/** What the system calls the user of this process; the number of one without a name, as in some containers. */
export function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? '')
  }
}
