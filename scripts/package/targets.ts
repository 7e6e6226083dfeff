/** The systems that programs are built for. */

export type System = 'linux' | 'windows' | 'macos'

export interface Target {
  readonly name: string
  readonly system: System
  /** The folder of prebuilt addons for it. */
  readonly prebuilds: string
  /** What Debian calls the processor; only where there is a package. */
  readonly debian?: string
}

export const targets = [
  { name: 'linux-x64', system: 'linux', prebuilds: 'linux-x64', debian: 'amd64' },
  { name: 'linux-arm64', system: 'linux', prebuilds: 'linux-arm64', debian: 'arm64' },
  { name: 'win-x64', system: 'windows', prebuilds: 'win32-x64' },
  { name: 'win-arm64', system: 'windows', prebuilds: 'win32-arm64' },
  { name: 'macos-x64', system: 'macos', prebuilds: 'darwin-x64' },
  { name: 'macos-arm64', system: 'macos', prebuilds: 'darwin-arm64' }
] as const satisfies readonly Target[]

export type TargetName = (typeof targets)[number]['name']

/** What the program is called in its archive. */
export function programName({ system }: Target): string {
  return system === 'windows' ? 'hyper-nat.exe' : 'hyper-nat'
}
