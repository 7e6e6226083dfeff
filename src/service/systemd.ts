/** The unit of systemd: for a user, or hardened for the machine. */
import { posix } from 'node:path'
import { SERVICE_DESCRIPTION, SERVICE_NAME, type ServiceParts, type ServicePlan, type Step } from './plan.js'

const UNIT = `${SERVICE_NAME}.service`

/** Not `hyper-nat`: that is root's own, for daemons that root starts. */
const RUNTIME = 'hyper-nat-service'

/** Seconds without a sign of life after which systemd restarts the daemon. */
const WATCHDOG_SECONDS = 60

/** Seconds that the DHT may take to be entered; without a network the daemon says that it is ready all the same. */
const START_SECONDS = 90

/** What needs no namespaces, which a user's manager may not be able to make. */
const SANDBOX = [
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'SystemCallArchitectures=native',
  'SystemCallErrorNumber=EPERM',
  'SystemCallFilter=@system-service',
  // Not MemoryDenyWriteExecute: V8 compiles.
  'UMask=0077'
]

const SYSTEM_SANDBOX = [
  ...SANDBOX,
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectControlGroups=yes',
  'ProtectHome=read-only',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'ProtectProc=invisible',
  'ProtectSystem=strict',
  'RemoveIPC=yes'
]

/** How systemd runs hyper-nat. */
export function systemdPlan(parts: ServiceParts): ServicePlan {
  const { scope, config, owner } = parts
  const system = scope === 'system'
  const path = system ? `/etc/systemd/system/${UNIT}` : posix.join(config, 'systemd', 'user', UNIT)
  const ctl = (...words: string[]): string[] => ['systemctl', ...(system ? [] : ['--user']), ...words]
  return {
    install: [
      ...(system && owner !== null ? foldersOf(parts).map(folder => makeAs(owner, folder)) : []),
      { do: 'write', path, text: systemdUnit(parts), mode: 0o644 },
      { do: 'run', command: ctl('daemon-reload') },
      { do: 'run', command: ctl('enable', UNIT) },
      // Not `enable --now`: one that runs already is to take over what changed.
      { do: 'run', command: ctl('restart', UNIT) }
    ],
    uninstall: [
      { do: 'run', command: ctl('disable', '--now', UNIT), mayFail: true },
      { do: 'remove', path },
      { do: 'run', command: ctl('daemon-reload') }
    ],
    status: ctl('status', '--no-pager', UNIT),
    notes: notesOf(parts)
  }
}

function notesOf(parts: ServiceParts): string[] {
  const { scope, owner, program, sockets = [], friends = [], tlsFiles = [] } = parts
  if (scope === 'user') {
    return ['It ends when you log out. For it to go on: loginctl enable-linger']
  }
  const control = controlFolder(parts)
  const where =
    control === false
      ? []
      : [
          `To ask it: hyper-nat status --control ${control ?? `/run/${RUNTIME}`}, and the same with stop, reload and logs`
        ]
  if (owner !== null) return where
  const notes = [
    ...where,
    'The service has a user of its own, which gets a copy of the options when it starts: after a change, run systemctl restart hyper-nat'
  ]
  const hidden = temporarySockets(parts)
  if (sockets.length > 0 || hidden.length > 0) {
    notes.push(
      `That user can make no sockets outside its own folders, and sees none in /tmp: chown the options file to a user who may have ${[...new Set([...sockets, ...hidden])].join(' and ')}, and install again`
    )
  }
  if (friends.length > 0) {
    notes.push(
      `That user has no friends by the name of ${friends.join(', ')}, and will not start: write the ticket or key into the options in place of each name`
    )
  }
  if (tlsFiles.length > 0) {
    notes.push(`That user has to find and read ${tlsFiles.join(' and ')}: give absolute paths in the options`)
  }
  const closed = program.find(path => /^\/(root|home)\//.test(path))
  if (closed !== undefined) {
    notes.push(
      `${closed} is in a home folder, which that user may not be able to read: install Node and hyper-nat for all users`
    )
  }
  return notes
}

/** The text of the unit. */
export function systemdUnit(parts: ServiceParts): string {
  const { scope } = parts
  const system = scope === 'system'
  return [
    '[Unit]',
    `Description=${SERVICE_DESCRIPTION}`,
    'Documentation=man:hyper-nat(1)',
    ...(system ? ['Wants=network-online.target', 'After=network-online.target'] : []),
    '',
    '[Service]',
    // systemd-notify, which the daemon starts, is the one that tells.
    'Type=notify',
    'NotifyAccess=all',
    ...(system ? systemExec(parts) : ownExec(parts)),
    `WatchdogSec=${WATCHDOG_SECONDS}`,
    `TimeoutStartSec=${START_SECONDS}`,
    'TimeoutStopSec=10',
    'KillMode=mixed',
    'Restart=on-failure',
    'RestartSec=5',
    // Options with faults have them the next time, too.
    'RestartPreventExitStatus=2',
    ...(system ? SYSTEM_SANDBOX : SANDBOX),
    '',
    '[Install]',
    `WantedBy=${system ? 'multi-user' : 'default'}.target`,
    ''
  ].join('\n')
}

/** Makes a folder as its owner would; the service, which sees the rest of the disk as read-only, could not. */
function makeAs(owner: string, folder: string): Step {
  return {
    do: 'run',
    command: ['runuser', '-u', owner, '--', 'mkdir', '-p', '-m', '0700', folder],
    mayFail: true
  }
}

/** Where the daemon writes. The file with when guests were last seen is in the folder of the options. */
function foldersOf(parts: ServiceParts): string[] {
  const { options, identity, logFile, sockets = [] } = parts
  const files = [options, identity, logFile, ...sockets].filter(path => path !== undefined)
  const control = controlFolder(parts)
  return [...new Set([...files.map(path => posix.dirname(path)), ...(control ? [control] : [])])]
}

/**
 * What the options say of the control socket and the service keeps; undefined: it is in the folder that systemd makes, as nothing is said,
 * or its user can write nowhere else.
 */
function controlFolder({ control, owner }: ServiceParts): string | false | undefined {
  return control === false || owner !== null ? control : undefined
}

/** The Unix sockets in folders for temporary files, of which a service of the machine may have its own. */
function temporarySockets({ sockets = [], targetSockets = [] }: ServiceParts): string[] {
  return [...sockets, ...targetSockets].filter(path => /^\/(var\/)?tmp\//.test(path))
}

/** Who runs it, and what of the disk is theirs. */
function systemExec(parts: ServiceParts): string[] {
  const { owner, options, identity, logFile, lowPorts } = parts
  const capability = lowPorts ? 'CAP_NET_BIND_SERVICE' : ''
  const common = [
    ...(controlFolder(parts) === undefined
      ? [
          `RuntimeDirectory=${RUNTIME}`,
          'RuntimeDirectoryMode=0700',
          `Environment=HYPER_NAT_CONTROL=%t/${RUNTIME}`
        ]
      : []),
    `PrivateTmp=${temporarySockets(parts).length === 0 ? 'yes' : 'no'}`,
    `CapabilityBoundingSet=${capability}`,
    `AmbientCapabilities=${capability}`
  ]
  if (owner !== null) {
    return [
      ...ownExec(parts),
      `User=${owner}`,
      // One that is missing all the same is for hyper-nat to complain about, and not for systemd.
      `ReadWritePaths=${foldersOf(parts)
        .map(folder => quoted(`-${folder}`))
        .join(' ')}`,
      ...common
    ]
  }
  const flags = [
    '%d/options.json',
    ...(identity === undefined ? [] : ['--identity', '%S/hyper-nat/identity']),
    ...(logFile === undefined ? [] : ['--log-file', '%L/hyper-nat/hyper-nat.log'])
  ]
  return [
    execStart(parts, flags.join(' ')),
    'DynamicUser=yes',
    `LoadCredential=options.json:${specifiersEscaped(options)}`,
    ...(identity === undefined ? [] : ['StateDirectory=hyper-nat', 'StateDirectoryMode=0700']),
    ...(logFile === undefined ? [] : ['LogsDirectory=hyper-nat', 'LogsDirectoryMode=0700']),
    ...common
  ]
}

/** From the file itself, which can be read again. */
function ownExec(parts: ServiceParts): string[] {
  return [execStart(parts, argument(parts.options)), 'ExecReload=/bin/kill -HUP $MAINPID']
}

function execStart({ program: [first = '', ...words] }: ServiceParts, options: string): string {
  return `ExecStart=${[quoted(first), ...words.map(argument)].join(' ')} -c ${options}`
}

/** One word, whatever is in it. */
function quoted(path: string): string {
  return `"${specifiersEscaped(path).replace(/["\\]/g, '\\$&')}"`
}

/** One word behind the program's own, where variables would be put in. */
function argument(path: string): string {
  return quoted(path.replaceAll('$', '$$$$'))
}

function specifiersEscaped(path: string): string {
  return path.replaceAll('%', '%%')
}
