import os from 'node:os'

/** This computer's network interfaces; none where the system keeps them from programs, as Android and some sandboxes do, or cannot tell now. */
export function networkInterfaces(): ReturnType<typeof os.networkInterfaces> {
  try {
    return os.networkInterfaces()
  } catch {
    return {}
  }
}
