/**
 * `npm run nat-matrix`: every pair of homes of the NAT lab, without a relay, with one, where UDP is blocked with one by TCP, and with
 * IPv6; prints the table, and writes it to docs/nat-matrix.md. Linux, root; takes some fifteen minutes. With arguments (`cone,symmetric`) only those pairs, and nothing is
 * written.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { KINDS, type Kind, Lab, noLab } from '../test/natlab/lab.js'
import {
  type Aid,
  COMBINATIONS,
  helps,
  line,
  nameOf,
  outcome,
  type Result,
  tryPair
} from '../test/natlab/matrix.js'
import { PublicSide } from '../test/natlab/pair.js'
import { readFlags, tellNoRun, wrongFlags } from './flags.js'

const FILE = 'docs/nat-matrix.md'

/** How long to look for a direct path behind a relayed one. */
const LOOK_MS = 20_000

/** The columns. */
const AIDS: readonly (readonly [aid: Aid, title: string])[] = [
  ['none', 'no relay'],
  ['relay', 'relay'],
  ['tcp relay', 'relay by TCP'],
  ['ipv6', 'IPv6']
]

const KIND_TEXT: Record<Kind, string> = {
  open: 'a public address, no router in between',
  fullcone: 'a router that lets everybody in at a port that was used',
  cone: 'a router that keeps a port for all partners and lets in whom one has sent to; most home routers',
  symmetric: 'a router that takes another, random port for each partner; some firewalls and mobile networks',
  cgn: "a home router behind a carrier's, and that one is symmetric",
  blocked: 'a router that lets no UDP through'
}

const usage = `npm run nat-matrix -- [PAIR ..]

Without a pair all are tried, and written to ${FILE}. Pairs: ${COMBINATIONS.map(nameOf).join('; ').replaceAll(', ', ',')}`
const flags = readFlags(
  () => parseArgs({ options: { help: { type: 'boolean', short: 'h' } }, allowPositionals: true }),
  usage
)
if (!('values' in flags)) process.exit(tellNoRun(flags))
const only = flags.positionals.map(pair => pair.replace(',', ', '))
const unknown = only.filter(pair => !COMBINATIONS.some(one => nameOf(one) === pair))
if (unknown.length > 0) process.exit(tellNoRun(wrongFlags(`There is no pair ${unknown.join('; ')}.`, usage)))

const reason = noLab()
if (reason) {
  console.error(`Skipped: ${reason}.`)
  process.exit(0)
}
const lab = await Lab.open()
const side = new PublicSide(lab)
const results: Result[] = []
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
try {
  await side.start()
  for (const combination of COMBINATIONS) {
    if (only.length > 0 && !only.includes(nameOf(combination))) continue
    for (const [aid] of AIDS) {
      if (!helps(aid, combination)) continue
      const result = await tryPair(side, combination, { aid, lookMs: LOOK_MS })
      results.push(result)
      console.log(line(result))
    }
  }
} finally {
  await side.stop()
  await lab.close()
}
if (only.length === 0) {
  mkdirSync('docs', { recursive: true })
  writeFileSync(FILE, page(results))
  console.log(`written to ${FILE}`)
}

function page(results: readonly Result[]): string {
  const rows = COMBINATIONS.map(combination => {
    const cells = AIDS.map(([aid]) => {
      const found = results.find(one => one.combination === combination && one.aid === aid)
      return found ? outcome(found.first, found.directMs) : ''
    })
    return `| ${[...nameOf(combination).split(', '), ...cells].join(' | ')} |`
  })
  return `# Which homes reach which

Written by \`npm run nat-matrix\`: for every pair of homes, real \`hyper-nat\` processes in network namespaces, with bytes checked
through \`tcp\`, \`udp\` and \`tcpudp\` maps on each path. The time is from the start of the client, whose own start (unbundled) takes some 0.9 s of
it; the lab's lines have no delay, so a real connection takes some round trips more. Where ports have to be found at random
(one side symmetric) the time is chance. A word in capitals is the code that the client tells, with a sentence.

${KINDS.map(kind => `- **${kind}**: ${KIND_TEXT[kind]}`).join('\n')}
- **lan**: two computers behind one router, which sends nothing back into the LAN (no hairpin)

A relay by TCP is tried where UDP is blocked; the client says \`direct\` where only the server goes through it. IPv6 is tried without a
relay, between homes whose routers let in what answers, and nothing else.

| server | client | ${AIDS.map(([, title]) => title).join(' | ')} |
|${' --- |'.repeat(2 + AIDS.length)}
${rows.join('\n')}
`
}
