import os from 'node:os'

/** An address of this computer, and its network interface. */
export type InterfaceAddress = os.NetworkInterfaceInfo & { readonly name: string }

/** This computer's addresses; none where the system does not tell, as on Android and in some sandboxes. */
export function interfaceAddresses(): InterfaceAddress[] {
  try {
    return Object.entries(os.networkInterfaces()).flatMap(([name, all = []]) =>
      all.map(one => ({ ...one, name }))
    )
  } catch {
    return []
  }
}
