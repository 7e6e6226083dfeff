/** The package for Debian and what is made of it: the program, its manual, completions for shells, and a systemd unit. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { systemdUnit } from '../../src/service/systemd.js'
import { type ArchiveFile, tar } from './tar.js'

/** Where the unit finds what to run; it does nothing while there is no such file. */
const OPTIONS = '/etc/hyper-nat/options.json'

/** What Node's own builds ask for. */
const DEPENDS = 'libc6 (>= 2.28), libstdc++6 (>= 8), libgcc-s1'

const COMPLETIONS = [
  ['bash', 'usr/share/bash-completion/completions/hyper-nat'],
  ['zsh', 'usr/share/zsh/vendor-completions/_hyper-nat'],
  ['fish', 'usr/share/fish/vendor_completions.d/hyper-nat.fish']
] as const

export interface DebParts {
  readonly version: string
  /** Debian's name of the processor. */
  readonly architecture: string
  readonly description: string
  readonly homepage: string
  readonly maintainer: string
  readonly program: Buffer
  /** hyper-nat(1). */
  readonly manual: Buffer
  /** Our licence and that of all that is inside. */
  readonly licences: string
  readonly changelog: Buffer
  /** Other documents. */
  readonly documents: readonly ArchiveFile[]
  /** The file of hyper-nat that Node runs, to ask it for completions. */
  readonly main: string
  /** The time of every file, since 1970. */
  readonly seconds: number
}

export async function deb(parts: DebParts): Promise<Buffer> {
  const { seconds } = parts
  const files = await contents(parts)
  const sums = files.map(({ path, bytes }) => `${createHash('md5').update(bytes).digest('hex')}  ${path}\n`)
  const control = [
    { path: './control', bytes: Buffer.from(controlFile(parts, files)) },
    { path: './md5sums', bytes: Buffer.from(sums.join('')) }
  ]
  const inFolder = files.map(file => ({ ...file, path: `./${file.path}` }))
  return ar(
    [
      ['debian-binary', Buffer.from('2.0\n')],
      ['control.tar.gz', await packed(tar(control, seconds, true))],
      ['data.tar.gz', await packed(tar(inFolder, seconds, true))]
    ],
    seconds
  )
}

/** Without the time of packing, which Node leaves out anyway. */
function packed(bytes: Buffer): Promise<Buffer> {
  return promisify(gzip)(bytes)
}

async function contents(parts: DebParts): Promise<ArchiveFile[]> {
  const { program, manual, licences, changelog, documents, main } = parts
  const docs = 'usr/share/doc/hyper-nat'
  const completions = COMPLETIONS.map(async ([shell, path]) => {
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'completion', shell])
    return { path, bytes: Buffer.from(stdout) }
  })
  return [
    { path: 'usr/bin/hyper-nat', bytes: program, mode: 0o755 },
    { path: 'usr/lib/systemd/system/hyper-nat.service', bytes: Buffer.from(unit()) },
    { path: 'usr/share/man/man1/hyper-nat.1.gz', bytes: await packed(manual) },
    { path: `${docs}/copyright`, bytes: Buffer.from(licences) },
    { path: `${docs}/changelog.gz`, bytes: await packed(changelog) },
    ...documents.map(file => ({ ...file, path: `${docs}/${file.path}` })),
    ...(await Promise.all(completions))
  ]
}

function unit(): string {
  const text = systemdUnit({
    scope: 'system',
    program: ['/usr/bin/hyper-nat'],
    options: OPTIONS,
    identity: undefined,
    logFile: undefined,
    owner: null,
    home: '/',
    config: '/etc',
    uid: 0,
    account: '',
    // Which ports are opened is known only when it runs.
    lowPorts: true
  })
  return text.replace('[Unit]\n', `[Unit]\nConditionPathExists=${OPTIONS}\n`)
}

function controlFile(parts: DebParts, files: readonly ArchiveFile[]): string {
  const { version, architecture, description, homepage, maintainer } = parts
  const bytes = files.reduce((sum, file) => sum + file.bytes.length, 0)
  return [
    'Package: hyper-nat',
    // A version before the release is lower than the release.
    `Version: ${version.replace('-', '~')}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${Math.ceil(bytes / 1024)}`,
    `Depends: ${DEPENDS}`,
    'Section: net',
    'Priority: optional',
    `Homepage: ${homepage}`,
    `Description: ${description}`,
    ''
  ].join('\n')
}

function ar(members: readonly (readonly [name: string, bytes: Buffer])[], seconds: number): Buffer {
  const parts = members.map(([name, bytes]) => {
    const fields = [
      name.padEnd(16),
      String(seconds).padEnd(12),
      '0'.padEnd(6),
      '0'.padEnd(6),
      '100644'.padEnd(8)
    ]
    const head = `${fields.join('')}${String(bytes.length).padEnd(10)}\`\n`
    return Buffer.concat([Buffer.from(head), bytes, Buffer.from(bytes.length % 2 === 1 ? '\n' : '')])
  })
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts])
}
