/** Debian's sshd and ssh, with keys and settings of their own, on loopback. */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { isRoot } from './machine.js'
import { Process, runProgram } from './process.js'
import { missing, programPath } from './programs.js'

/** Why there is no ssh here, or false. */
export function noSsh(): string | false {
  return missing('ssh', 'sshd', 'ssh-keygen') || (isRoot ? false : 'sshd needs root')
}

export interface Sshd {
  readonly process: Process
  /** The arguments of an ssh that logs in at a local port and runs a command. */
  ssh(port: number, command: string): string[]
}

/**
 * Starts sshd.
 * @param folder a place for its files that only we can read
 * @param prefix a program to start it with (ip netns exec)
 */
export async function startSshd(folder: string, port: number, prefix: readonly string[] = []): Promise<Sshd> {
  const [hostKey, key] = [join(folder, 'host'), join(folder, 'key')]
  for (const file of [hostKey, key]) {
    const made = await runProgram('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
    if (made.code !== 0) throw new Error(made.stderr)
  }
  const authorized = join(folder, 'authorized')
  copyFileSync(`${key}.pub`, authorized)
  chmodSync(authorized, 0o600)
  const config = join(folder, 'sshd_config')
  writeFileSync(
    config,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${authorized}`,
      `PidFile ${join(folder, 'pid')}`,
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'StrictModes no',
      'UsePAM no'
    ].join('\n')
  )
  // Where Debian's sshd locks itself in; its own start script makes it.
  mkdirSync('/run/sshd', { recursive: true })
  const [program = '', ...args] = [...prefix, programPath('sshd'), '-D', '-e', '-f', config]
  const process = new Process(program, args)
  await process.says(/Server listening/)
  const options = ['StrictHostKeyChecking=no', `UserKnownHostsFile=${join(folder, 'known')}`, 'BatchMode=yes']
  return {
    process,
    ssh: (local, command) => [
      ...['-F', 'none', '-i', key, '-p', `${local}`],
      ...options.flatMap(option => ['-o', option]),
      ...[`${userInfo().username}@127.0.0.1`, command]
    ]
  }
}
