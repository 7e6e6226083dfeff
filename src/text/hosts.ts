/** Addresses and names of computers, as people write them. */

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { isLoopback } from './address.js'
import { PORT_MAX } from './ports.js'
import { quote } from './quote.js'
import { isSocketPath } from './socket-path.js'

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i

/**
 * What is wrong with `host` as an address (IPv4, IPv6 without brackets, with or without zone) or a name, as the rest of a
 * sentence; undefined if nothing is.
 */
export function hostFault(host: string): string | undefined {
  if (host === '')
    return 'is empty; give an address such as 192.168.1.20 or a name, or leave it out for 127.0.0.1'
  if (isIP(host)) return undefined
  const shown = quote(host)
  if (host.includes('://'))
    return `is ${shown}, a URL; give only the address or name; the port goes into "port"`
  const bracketed = /^\[(.*)\](:\d+)?$/.exec(host)
  if (bracketed && isIP(bracketed[1]!))
    return `is ${shown}; write the address without brackets, ${bracketed[1]}`
  const withPort = /^([^:]+):(\d*)$/.exec(host)
  if (withPort)
    return `is ${shown}; give the address or name alone (${withPort[1]}); the port goes into "port"`
  if (/^[\d.]+$/.test(host))
    return `is ${shown}, which is not an IPv4 address; that is four numbers from 0 to 255`
  if (host.includes(':')) return `is ${shown}, which is not an IPv6 address`
  return isName(host) ? undefined : `is ${shown}, which is neither an address nor the name of a computer`
}

function isName(host: string): boolean {
  const ascii = /^[\x20-\x7e]*$/.test(host) ? host : domainToASCII(host)
  if (ascii === '' || ascii.length > 253) return false
  const labels = ascii.replace(/\.$/, '').split('.')
  // A last label of digits would be an address with a mistake in it.
  return labels.every(label => LABEL.test(label)) && !/^\d+$/.test(labels.at(-1)!)
}

/** What is wrong with `host:port` of a DHT bootstrap node, as the rest of a sentence; undefined if nothing is. */
export function bootstrapFault(node: string): string | undefined {
  // hyperdht also takes `address@name:port`: the address is tried first, the name looked up if it does not answer.
  const parts = /^(?:([^@:]+)@)?([^@:]+):(\d+)$/.exec(node)
  if (!parts) return `has ${quote(node)}, which is not host:port (IPv4 or a name), such as 203.0.113.7:49737`
  const [, address, host, port] = parts
  if (Number(port) < 1 || Number(port) > PORT_MAX)
    return `has ${quote(node)}, whose port is not from 1 to ${PORT_MAX}`
  if ((address && isIP(address) !== 4) || hostFault(host!)) {
    return `has ${quote(node)}, whose host is neither an IPv4 address nor a name`
  }
  return undefined
}

/** Characters of a relay's address: a ticket has one byte for its length. */
const RELAY_URL_MAX = 255

/** Bytes of a relay's token. */
const RELAY_TOKEN_MAX = 255

/** Whether a text is meant as the address of a relay by TCP, and not as a public key. */
export function isRelayUrl(text: string): boolean {
  return text.includes('://')
}

/** What is wrong with the address of a relay by TCP, `wss://host/path`, as the rest of a sentence; undefined if nothing is. */
export function relayUrlFault(text: string): string | undefined {
  // A password or token is nobody's business who sees the message.
  const shown = quote(text.replace(/#.*/s, '#..').replace(/\/\/[^/@]*@/, '//..@'))
  if (!/^[\x21-\x7e]+$/.test(text) || text.length > RELAY_URL_MAX)
    return `is ${shown}; give an address of up to ${RELAY_URL_MAX} characters without blanks`
  let url: URL
  try {
    url = new URL(text)
  } catch {
    return `is ${shown}, which is no address such as wss://relay.example/hn`
  }
  if (url.protocol !== 'wss:' && url.protocol !== 'ws:')
    return `is ${shown}; a relay by TCP has an address that begins with wss:// or ws://`
  if (url.username !== '' || url.password !== '')
    return `is ${shown}; write its token behind a #, as in wss://relay.example/hn#TOKEN`
  try {
    if (Buffer.byteLength(decodeURIComponent(url.hash.slice(1))) <= RELAY_TOKEN_MAX) return undefined
  } catch {
    // Not what an URL may hold.
  }
  return `is ${shown}, whose token, behind the #, is too long or no text`
}

/** Why the router cannot be asked for a TCP port, as the rest of a sentence; undefined if it can. */
export function tcpMappingFault(portMapping: unknown, host: string | undefined): string | undefined {
  if (portMapping === undefined || portMapping === false) return undefined
  if (portMapping !== true) return `is ${quote(portMapping)}; give true or false`
  if (host === undefined || !isLoopback(host)) return undefined
  return `is true, but a router does not lead to ${host}: forward a port to the reverse proxy in its settings, and leave this out`
}

/** How two ways to write one address compare equal: IPv6 in its shortest form, names in lower case. */
export function canonicalHost(host: string): string {
  if (isSocketPath(host)) return process.platform === 'win32' ? host.toLowerCase() : host
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)
  if (mapped) return mapped[1]!
  if (isIP(host) !== 6) return host.toLowerCase()
  const [address, zone] = host.split('%')
  // The URL parser knows the canonical form (RFC 5952); it does not know zones.
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1)
  return zone === undefined ? short : `${short}%${zone}`
}

/**
 * True if two listeners on one port get into each other's way. Every address of a family covers its members, and `::`
 * covers IPv4 too, as sockets are dual-stack by default.
 */
export function hostsCollide(a: string, b: string): boolean {
  const [x, y] = [canonicalHost(a), canonicalHost(b)]
  if (isSocketPath(x) || isSocketPath(y)) return x === y
  return x === y || covers(x, y) || covers(y, x)
}

function covers(wide: string, narrow: string): boolean {
  if (wide === '::') return true
  if (wide === '0.0.0.0') return isIP(narrow) !== 6
  if (wide === 'localhost') return narrow === '127.0.0.1' || narrow === '::1'
  return false
}
