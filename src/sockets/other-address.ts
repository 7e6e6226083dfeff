/** Ports that programs have at one address of this computer, and not at another. */
import { codeOf } from '../errors.js'
import { interfaceAddresses } from '../util/interfaces.js'
import { tryPort } from './free-ports.js'

/**
 * Finds the address of this computer at which a program has a port, for one that is not at 127.0.0.1.
 * @param addresses those to look at
 * @returns the first; undefined where nobody has the port
 */
export async function otherAddress(
  proto: 'tcp' | 'udp',
  port: number,
  addresses: readonly string[] = lanAddresses()
): Promise<string | undefined> {
  for (const address of addresses) {
    try {
      await tryPort(proto, address, port)
    } catch (err) {
      if (codeOf(err) === 'PORT_IN_USE') return address
    }
  }
  return undefined
}

/** What an owner does about a port that a program has at another address than the one that is shared. */
export function elsewhereText(port: number, host: string, address: string): string {
  return `port ${port} is closed at ${host}, but a program has it at ${address}: share it from there, with --host ${address} (in options.json: "host": "${address}")`
}

/** The IPv4 addresses of this computer that others can have. */
export function lanAddresses(): string[] {
  return interfaceAddresses()
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
}
