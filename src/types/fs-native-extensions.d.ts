/** The part of fs-native-extensions that we use; it has no types of its own. */
declare module 'fs-native-extensions' {
  /**
   * Locks a whole open file against other holders, in this process and in others (flock, LockFileEx). The system lets go of
   * it when the file is closed, however its process ends.
   * @returns false when another process holds it
   */
  export function tryLock(fd: number): boolean
  const extensions: { tryLock: typeof tryLock }
  export default extensions
}
