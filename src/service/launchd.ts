/** The property list of launchd, macOS. */
import { posix } from 'node:path'
import { escapeXml, SERVICE_NAME, type ServiceParts, type ServicePlan } from './plan.js'

const LABEL = SERVICE_NAME
const FILE = `${LABEL}.plist`

/** Seconds between two starts when it fails. */
const THROTTLE_SECONDS = 10

/** How launchd runs hyper-nat. */
export function launchdPlan(parts: ServiceParts): ServicePlan {
  const { scope, home, uid, owner } = parts
  const system = scope === 'system'
  const folder = system ? '/Library/LaunchDaemons' : posix.join(home, 'Library', 'LaunchAgents')
  const path = posix.join(folder, FILE)
  const domain = system ? 'system' : `gui/${uid}`
  const target = `${domain}/${LABEL}`
  return {
    install: [
      { do: 'write', path, text: launchdPlist(parts), mode: 0o644 },
      { do: 'run', command: ['launchctl', 'bootout', target], mayFail: true },
      { do: 'run', command: ['launchctl', 'enable', target] },
      { do: 'run', command: ['launchctl', 'bootstrap', domain, path] }
    ],
    uninstall: [
      { do: 'run', command: ['launchctl', 'bootout', target], mayFail: true },
      { do: 'remove', path }
    ],
    status: ['launchctl', 'print', target],
    notes: [
      `What it says is in ${logOf(parts)}`,
      ...(system && owner === null
        ? ["It runs as root, as the options file is root's: chown it to another user"]
        : [])
    ]
  }
}

function logOf({ scope, home }: ServiceParts): string {
  return posix.join(scope === 'system' ? '/Library' : posix.join(home, 'Library'), 'Logs', `${LABEL}.log`)
}

/** The text of the property list. */
export function launchdPlist(parts: ServiceParts): string {
  const { scope, program, options, owner } = parts
  const string = (text: string): string => `<string>${escapeXml(text)}</string>`
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    '<dict>',
    `  <key>Label</key>${string(LABEL)}`,
    '  <key>ProgramArguments</key>',
    '  <array>',
    ...[...program, '-c', options].map(word => `    ${string(word)}`),
    '  </array>',
    ...(scope === 'system' && owner !== null ? [`  <key>UserName</key>${string(owner)}`] : []),
    '  <key>RunAtLoad</key><true/>',
    '  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>',
    `  <key>ThrottleInterval</key><integer>${THROTTLE_SECONDS}</integer>`,
    // Otherwise macOS slows down its timers and its network.
    '  <key>ProcessType</key><string>Interactive</string>',
    `  <key>Umask</key><integer>${0o077}</integer>`,
    `  <key>StandardOutPath</key>${string(logOf(parts))}`,
    `  <key>StandardErrorPath</key>${string(logOf(parts))}`,
    '</dict>',
    '</plist>',
    ''
  ].join('\n')
}
