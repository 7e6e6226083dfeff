/**
 * The lab: a small internet in network namespaces, with homes behind routers of each kind. Linux, root, iproute2, iptables;
 * nothing leaves the namespaces.
 *
 *     home -- router --+                     +-- router -- home
 *     home ------------+---- 11.0.0.0/16 ----+-- carrier -- router -- home
 *                      |                     |
 *                 DHT nodes                relay
 *
 * A home behind a router may have IPv6 as well, whatever its IPv4 is like: its router has a second uplink for that, and lets in only
 * what answers.
 *
 * The public side has addresses that are neither private nor reserved, because hyperdht passes over those that are.
 */
import { spawnSync } from 'node:child_process'
import { isLinux, isRoot } from '../support/machine.js'
import { runProgram } from '../support/process.js'
import { findProgram } from '../support/programs.js'

/**
 * How a home is connected.
 *
 * - open: a public address, nothing in between
 * - fullcone: what comes to a port that was used is let in, whoever sends it
 * - cone: port-restricted, what most home routers do: a port stays the same for all partners, and lets in those that were sent to
 * - symmetric: another, random port for each partner
 * - cgn: a home router behind a carrier's, which is symmetric
 * - blocked: no UDP at all
 */
export type Kind = 'open' | 'fullcone' | 'cone' | 'symmetric' | 'cgn' | 'blocked'

export const KINDS: readonly Kind[] = ['open', 'fullcone', 'cone', 'symmetric', 'cgn', 'blocked']

/** The far end of a cable: pulled out there, a machine sees its interface without a carrier. */
export interface Cable {
  readonly namespace: string
  readonly link: string
}

/** IPv6 of a home. */
export interface Ipv6Home {
  readonly home: Home
  /** Its networks: `2a00:11:3::/64`. */
  readonly prefixes: readonly string[]
  /** The computer's addresses in them. */
  readonly addresses: readonly string[]
}

/** A computer in the lab. */
export interface Home {
  /** What to start a program in it with. */
  readonly prefix: readonly string[]
  /** The namespace of the router next to it, if there is one. */
  readonly router: string | null
  /** What joins it to its router, or to the public side. */
  readonly cable: Cable
  /** What joins its router, or the computer itself, to the public side or to the carrier. */
  readonly uplink: Cable
}

const DHT_HOSTS = ['11.0.1.1', '11.0.1.2', '11.0.1.3', '11.0.1.4']
const RELAY_HOST = '11.0.2.1'
export const DHT_PORT = 49737
export const RELAY_PORT = 49737
export const TCP_RELAY_PORT = 443

/** hyperdht's own port and those that it tries next: it sends nothing from there before it knows that others reach it. */
const DHT_OWN_PORTS = '49737:49742'

/** Why there is no lab here, or not one with these programs, or false. */
export function noLab(...programs: string[]): string | false {
  const reason = whyNot(programs)
  if (reason && process.env.HYPER_NAT_REQUIRE_NATLAB === '1') {
    throw new Error(`HYPER_NAT_REQUIRE_NATLAB is set, but there is no NAT lab: ${reason}`)
  }
  return reason
}

function whyNot(programs: readonly string[]): string | false {
  if (!isLinux) return 'the NAT lab needs Linux'
  if (!isRoot) return 'the NAT lab needs root'
  for (const program of ['ip', 'iptables', ...programs]) {
    if (!findProgram(program)) return `this test in the NAT lab needs ${program}, which is not installed`
  }
  const probe = `${namePrefix(process.pid)}probe`
  // A router in small: whatever it needs of the kernel is tried here.
  const tried = spawnSync('sh', [
    '-ec',
    `ip netns add ${probe}; trap 'ip netns del ${probe}' EXIT
     ip netns exec ${probe} iptables -w -t nat -A POSTROUTING -j MASQUERADE --random-fully
     ip netns exec ${probe} iptables -w -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT`
  ])
  if (tried.status === 0) return false
  const said = String(tried.stderr ?? tried.error)
    .trim()
    .split('\n')
  return `the NAT lab cannot be built here: ${said.at(-1)}`
}

/** Unique while this process runs, and tells whose leftovers they are. */
function namePrefix(pid: number): string {
  return `hn${pid.toString(36)}-`
}

export class Lab {
  readonly #names: string[] = []
  readonly #net: string
  /** What to start a program in these machines with. */
  readonly dht: Pick<Home, 'prefix'>
  readonly relay: Pick<Home, 'prefix'>
  #ports = 0
  #homes = 0
  readonly #onexit = () => this.#removeNow()

  private constructor() {
    this.#net = this.#name('net')
    this.dht = { prefix: inside(this.#name('dht')) }
    this.relay = { prefix: inside(this.#name('relay')) }
  }

  /** The public side: a switch, a machine with the addresses of the DHT nodes, one for a relay. */
  static async open(): Promise<Lab> {
    await removeLeftovers()
    const lab = new Lab()
    process.on('exit', lab.#onexit)
    const [net, dht, relay] = lab.#names as [string, string, string]
    await lab.#run(`
      ${[net, dht, relay].map(machine).join('\n')}
      ip -n ${net} link add br0 type bridge
      ip -n ${net} link set br0 up
      ${lab.#plug(dht, DHT_HOSTS)}
      ${lab.#plug(relay, [RELAY_HOST])}`)
    return lab
  }

  get relayHost(): string {
    return RELAY_HOST
  }

  get dhtHosts(): readonly string[] {
    return DHT_HOSTS
  }

  /** What others give as `--bootstrap`. */
  get bootstrap(): string {
    return DHT_HOSTS.slice(0, 2)
      .map(host => `${host}:${DHT_PORT}`)
      .join(',')
  }

  /** A new home with one computer. @param address the computer's, if it is open */
  async home(kind: Kind, address?: string): Promise<Home> {
    if (kind === 'open') {
      const host = this.#name('open')
      const uplink = this.#nextUplink
      await this.#run(`${machine(host)}\n${this.#plug(host, [address ?? this.address()])}`)
      return { prefix: inside(host), router: null, cable: uplink, uplink }
    }
    const [home] = await this.lan(1, kind)
    return home!
  }

  /** A new home with several computers in one LAN; its router sends nothing back into the LAN (no hairpin). */
  async lan(computers: number, kind: Exclude<Kind, 'open'> = 'cone'): Promise<Home[]> {
    const router = this.#name('router')
    const wan = kind === 'cgn' ? '100.64.0.2' : this.address()
    const script = [machine(router)]
    let uplink = this.#nextUplink
    if (kind === 'cgn') {
      const carrier = this.#name('carrier')
      uplink = { namespace: carrier, link: 'lan' }
      script.push(machine(carrier), this.#plug(carrier, [this.address()]), asRouter(carrier, 'symmetric'))
      script.push(`ip -n ${carrier} link add lan type veth peer name wan netns ${router}`)
      script.push(`ip -n ${carrier} addr add 100.64.0.1/24 dev lan`, `ip -n ${carrier} link set lan up`)
      script.push(`ip -n ${router} addr add ${wan}/24 dev wan`, `ip -n ${router} link set wan up`)
      script.push(`ip -n ${router} route add default via 100.64.0.1`)
    } else script.push(this.#plug(router, [wan]))
    script.push(asRouter(router, kind, wan))
    script.push(`ip -n ${router} link add lan type bridge`, `ip -n ${router} addr add 192.168.7.1/24 dev lan`)
    script.push(`ip -n ${router} link set lan up`)
    const homes: Home[] = []
    for (let i = 0; i < computers; i++) {
      const host = this.#name('host')
      script.push(machine(host), `ip -n ${router} link add l${i} type veth peer name eth0 netns ${host}`)
      script.push(`ip -n ${router} link set l${i} master lan`, `ip -n ${router} link set l${i} up`)
      script.push(`ip -n ${host} addr add 192.168.7.${10 + i}/24 dev eth0`, `ip -n ${host} link set eth0 up`)
      script.push(`ip -n ${host} route add default via 192.168.7.1`)
      homes.push({ prefix: inside(host), router, cable: { namespace: router, link: `l${i}` }, uplink })
    }
    await this.#run(script.join('\n'))
    return homes
  }

  /** Lets the UDP of a blocked home through, or no more. */
  async letUdp({ router }: Home, through: boolean): Promise<void> {
    await this.#run(`ip netns exec ${router} iptables -w -${through ? 'D' : 'I'} FORWARD -p udp -j DROP`)
  }

  /** Of a home behind a router, lets UDP through to these hosts only. */
  async letUdpOnlyTo({ router }: Home, hosts: readonly string[]): Promise<void> {
    const rules = hosts.flatMap(host => [`-s ${host} -j ACCEPT`, `-d ${host} -j ACCEPT`])
    await this.#run(
      ['-j DROP', ...rules]
        .map(rule => `ip netns exec ${router} iptables -w -I FORWARD -p udp ${rule}`)
        .join('\n')
    )
  }

  /** Of a blocked home, lets only TCP to these ports out, as a company's firewall does. */
  async letOnlyTcp({ router }: Home, to: readonly string[]): Promise<void> {
    const rules = to.map(place => {
      const [host, port] = place.split(':')
      return `ip netns exec ${router} iptables -w -A ONLY -p tcp -d ${host} --dport ${port} -j RETURN`
    })
    await this.#run(`
      ip netns exec ${router} iptables -w -N ONLY
      ${rules.join('\n')}
      ip netns exec ${router} iptables -w -A ONLY -j DROP
      ip netns exec ${router} iptables -w -I FORWARD -i lan -j ONLY`)
  }

  #ipv6Homes = 0
  #ipv6Networks = 0

  /** Gives a home behind a router IPv6, in a network of its own or in several, with a stateful firewall on the router. */
  async giveIpv6(home: Home, prefixes = 1): Promise<Ipv6Home> {
    await this.ipv6Uplink(home)
    let given: Ipv6Home = { home, prefixes: [], addresses: [] }
    for (let i = 0; i < prefixes; i++) given = await this.addPrefix(given)
    return given
  }

  /**
   * Gives the router of a home IPv6 and a stateful firewall, but no network yet. Its second line is on the same wire as its first: it must
   * not answer for that one's IPv4 address.
   */
  async ipv6Uplink(home: Home): Promise<void> {
    const { router } = home
    const host = home.prefix.at(-1)!
    const first = this.#ipv6Homes === 0
    const n = ++this.#ipv6Homes
    const port = `p${this.#ports++}`
    const wan = `2a00:11::${(n + 16).toString(16)}`
    await this.#run(`
      ${first ? ipv6Core(this.#net) : ''}
      ${[router!, host].map(withIpv6).join('\n')}
      ip -n ${this.#net} link add ${port} type veth peer name wan6 netns ${router}
      ip -n ${this.#net} link set ${port} master br0
      ip -n ${this.#net} link set ${port} up
      ip netns exec ${router} sh -c 'echo 8 >/proc/sys/net/ipv4/conf/wan6/arp_ignore'
      ip -n ${router} addr add ${wan}/64 dev wan6 nodad
      ip -n ${router} link set wan6 up
      ip netns exec ${router} sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
      ip -n ${router} -6 route add default via 2a00:11::1
      ip netns exec ${router} ip6tables -w -A FORWARD -i wan6 -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
      ip netns exec ${router} ip6tables -w -A FORWARD -i wan6 -j DROP`)
  }

  /**
   * A new home by DS-Lite (RFC 6333), as cable and fibre providers give it: IPv6 of its own, and IPv4 only in a tunnel through that, to a
   * carrier's NAT that all its customers share. Its router translates nothing.
   */
  async dsLite(): Promise<Ipv6Home> {
    const [router, carrier, host] = [this.#name('router'), this.#name('carrier'), this.#name('host')]
    await this.#run(`
      ${[router, carrier, host].map(machine).join('\n')}
      ${this.#plug(carrier, [this.address()])}
      ip -n ${router} link add lan type bridge
      ip -n ${router} addr add 192.168.7.1/24 dev lan
      ip -n ${router} link set lan up
      ip -n ${router} link add l0 type veth peer name eth0 netns ${host}
      ip -n ${router} link set l0 master lan
      ip -n ${router} link set l0 up
      ip -n ${host} addr add 192.168.7.10/24 dev eth0
      ip -n ${host} link set eth0 up
      ip -n ${host} route add default via 192.168.7.1
      ip netns exec ${router} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'`)
    const cable = { namespace: router, link: 'l0' }
    const given = await this.giveIpv6({ prefix: inside(host), router, cable, uplink: this.#nextUplink })
    const near = await this.#wan6(router)
    const far = `2a00:11::${(++this.#ipv6Homes + 16).toString(16)}`
    // Packets in the tunnel are smaller by its headers; the larger ones are those of VXLAN, for kernels without the other.
    const tunnel = (name: string, link: string, from: string, to: string): string =>
      `ip -n ${name} link add ${link} type ip6tnl mode ipip6 encaplimit none local ${from} remote ${to} 2>/dev/null ||
         ip -n ${name} link add ${link} type vxlan id 4 dstport 4789 local ${from} remote ${to}
       ip -n ${name} link set ${link} mtu 1430 up`
    await this.#run(`
      ${withIpv6(carrier)}
      ip -n ${carrier} addr add ${far}/64 dev wan nodad
      ${tunnel(router, 'wan', near, far)}
      ${tunnel(carrier, 'lan', far, near)}
      ip -n ${router} addr add 192.0.0.2/29 dev wan
      ip -n ${router} route add default via 192.0.0.1
      ip -n ${carrier} addr add 192.0.0.1/29 dev lan
      ip -n ${carrier} route add 192.168.7.0/24 via 192.0.0.2
      ${asRouter(carrier, 'symmetric')}`)
    return given
  }

  /** Gives the computers of one LAN private IPv6 addresses (RFC 4193), as a router without an IPv6 uplink may. */
  async givePrivateIpv6(homes: readonly Home[]): Promise<void> {
    await this.#run(
      homes
        .map(({ prefix }, i) => {
          const host = prefix.at(-1)!
          return `${withIpv6(host)}\nip -n ${host} addr add fd00:11:7::${10 + i}/64 dev eth0 nodad`
        })
        .join('\n')
    )
  }

  /** Keeps the computers of a LAN from each other over IPv4, as the guest network of an access point does. */
  async isolateIpv4(homes: readonly Home[]): Promise<void> {
    await this.#run(
      homes
        .map(({ prefix }) => {
          const from = (rule: string): string =>
            `ip netns exec ${prefix.at(-1)} iptables -w -A INPUT -s 192.168.7.${rule}`
          return `${from('1 -j ACCEPT')}\n${from('0/24 -j DROP')}`
        })
        .join('\n')
    )
  }

  /** One more network for a home with IPv6. */
  async addPrefix({ home, prefixes, addresses }: Ipv6Home): Promise<Ipv6Home> {
    const host = home.prefix.at(-1)!
    const network = await this.routePrefix(home)
    const prefix = network.replace('/64', '')
    await this.#run(`
      ip -n ${host} addr add ${prefix}10/64 dev eth0 nodad
      ip -n ${host} -6 route replace default via ${prefix}1`)
    return { home, prefixes: [...prefixes, network], addresses: [...addresses, `${prefix}10`] }
  }

  /** Routes one more network to a home, whose computer does not know of it yet. @returns the network: `2a00:11:3::/64` */
  async routePrefix({ router }: Home): Promise<string> {
    const prefix = `2a00:11:${(++this.#ipv6Networks).toString(16)}::`
    const wan = await this.#wan6(router!)
    await this.#run(`
      ip -n ${router} addr add ${prefix}1/64 dev lan nodad
      ip -n ${this.#net} -6 route add ${prefix}/64 via ${wan}`)
    return `${prefix}/64`
  }

  /** Routes a network to nobody any more. */
  async unroutePrefix(network: string): Promise<void> {
    await this.#run(`ip -n ${this.#net} -6 route del ${network}`)
  }

  /** Takes the oldest network of a home away, as a provider does that gives another one. */
  async removePrefix({ home, prefixes, addresses }: Ipv6Home): Promise<Ipv6Home> {
    const host = home.prefix.at(-1)!
    const [prefix, ...others] = prefixes
    const [address, ...rest] = addresses
    await this.#run(`ip -n ${host} addr del ${address}/64 dev eth0`)
    await this.unroutePrefix(prefix!)
    return { home, prefixes: others, addresses: rest }
  }

  async #wan6(router: string): Promise<string> {
    const { stdout } = await runProgram('ip', [
      '-n',
      router,
      '-6',
      '-o',
      'addr',
      'show',
      'dev',
      'wan6',
      'scope',
      'global'
    ])
    return /inet6 ([0-9a-f:]+)/.exec(stdout)![1]!
  }

  /** Drops all IPv6 packets of a home, without a word to anybody, or no more. */
  async dropIpv6({ home: { router } }: Ipv6Home, dropped: boolean): Promise<void> {
    await this.#run(`ip netns exec ${router} ip6tables -w -${dropped ? 'I' : 'D'} FORWARD -j DROP`)
  }

  async unplug({ namespace, link }: Cable): Promise<void> {
    await this.#run(`ip -n ${namespace} link set ${link} down`)
  }

  /** Gives a machine's uplink another public address. @param namespace a router's, or that of a computer without one */
  async readdress(namespace: string): Promise<void> {
    await this.#run(`
      ip -n ${namespace} addr flush dev wan
      ip -n ${namespace} addr add ${this.address()}/16 dev wan`)
  }

  async plugIn({ namespace, link }: Cable): Promise<void> {
    await this.#run(`ip -n ${namespace} link set ${link} up`)
  }

  /** Takes everything away. What still runs in there is ended. */
  async close(): Promise<void> {
    process.off('exit', this.#onexit)
    await runProgram('sh', ['-c', removal(this.#names)])
  }

  #removeNow(): void {
    spawnSync('sh', ['-c', removal(this.#names)])
  }

  #name(what: string): string {
    const name = `${namePrefix(process.pid)}${this.#names.length}${what}`
    this.#names.push(name)
    return name
  }

  /** A public address that nobody has. */
  address(): string {
    const n = this.#homes++
    return `11.0.${16 + Math.floor(n / 200)}.${1 + (n % 200)}`
  }

  /** The cable of the machine that is plugged in next. */
  get #nextUplink(): Cable {
    return { namespace: this.#net, link: `p${this.#ports}` }
  }

  /** Plugs a machine into the public side. */
  #plug(name: string, addresses: readonly string[]): string {
    const port = `p${this.#ports++}`
    return [
      `ip -n ${this.#net} link add ${port} type veth peer name wan netns ${name}`,
      `ip -n ${this.#net} link set ${port} master br0`,
      `ip -n ${this.#net} link set ${port} up`,
      ...addresses.map(address => `ip -n ${name} addr add ${address}/16 dev wan`),
      `ip -n ${name} link set wan up`
    ].join('\n')
  }

  async #run(script: string): Promise<void> {
    const { code, stderr } = await runProgram('sh', ['-ec', script])
    if (code !== 0) throw new Error(`the lab could not be built: ${stderr}\n${script}`)
  }
}

function inside(name: string): string[] {
  return ['ip', 'netns', 'exec', name]
}

function machine(name: string): string {
  return [
    `ip netns add ${name}`,
    `ip netns exec ${name} sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 2>/dev/null || true'`,
    `ip -n ${name} link set lo up`
  ].join('\n')
}

/** Turns IPv6 on. */
function withIpv6(name: string): string {
  return `ip netns exec ${name} sh -c 'for i in all default lan eth0 wan6 br0; do [ -e /proc/sys/net/ipv6/conf/$i ] && echo 0 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; done; true'`
}

/** The router of the public side's IPv6. */
function ipv6Core(net: string): string {
  return [
    withIpv6(net),
    `ip netns exec ${net} sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'`,
    `ip -n ${net} addr add 2a00:11::1/64 dev br0 nodad`
  ].join('\n')
}

/** Makes a machine with a `wan` and a `lan` side a router. */
function asRouter(name: string, kind: Exclude<Kind, 'open'>, wan?: string): string {
  const rules = [
    // Nothing unsolicited is for the router itself; an answer to it would take up the port that a guest is about to use.
    '-A INPUT -i wan -j DROP',
    ...(wan ? [`-A INPUT -i lan -d ${wan} -j DROP`] : []),
    ...(kind === 'blocked' ? ['-A FORWARD -p udp -j DROP'] : []),
    '-A FORWARD -i wan -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT',
    ...(kind === 'fullcone'
      ? [
          '-A FORWARD -i wan -m conntrack --ctstate DNAT -j ACCEPT',
          // Ports that nothing was sent from have no mapping.
          `-t nat -A PREROUTING -i wan -p udp -m multiport ! --dports ${DHT_OWN_PORTS} -j DNAT --to-destination 192.168.7.10`
        ]
      : []),
    '-A FORWARD -i wan -j DROP',
    `-t nat -A POSTROUTING -o wan -j MASQUERADE${kind === 'symmetric' ? ' --random-fully' : ''}`
  ]
  return [
    `ip netns exec ${name} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'`,
    ...rules.map(rule => `ip netns exec ${name} iptables -w ${rule}`)
  ].join('\n')
}

function removal(names: readonly string[]): string {
  return names
    .map(
      name =>
        `ip netns pids ${name} 2>/dev/null | xargs -r kill -9 2>/dev/null; ip netns del ${name} 2>/dev/null`
    )
    .concat('true')
    .join('\n')
}

/** What a run left behind that was killed before it could clean up. */
async function removeLeftovers(): Promise<void> {
  const { stdout } = await runProgram('ip', ['netns', 'list'])
  const stale = stdout.split('\n').flatMap(line => {
    const match = /^(hn([0-9a-z]+)-\S+)/.exec(line)
    return match && !isRunning(Number.parseInt(match[2]!, 36)) ? [match[1]!] : []
  })
  await runProgram('sh', ['-c', removal(stale)])
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
