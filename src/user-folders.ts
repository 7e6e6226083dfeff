/** Where each system has this user's folders. */
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What the folders depend on. */
export interface UserMachine {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
}

/** `config` for settings and keys, `data` for what is noted while hyper-nat runs, `cache` for what can be made again. */
export interface UserFolders {
  readonly config: string
  readonly data: string
  readonly cache: string
}

const NAME = 'hyper-nat'

export function userFolders(
  { platform, env, home }: UserMachine = { platform: process.platform, env: process.env, home: homeFolder() }
): UserFolders {
  if (platform === 'darwin') {
    const library = join(home, 'Library')
    return {
      config: join(library, 'Preferences', NAME),
      data: join(library, 'Application Support', NAME),
      cache: join(library, 'Caches', NAME)
    }
  }
  if (platform === 'win32') {
    const local = join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), NAME)
    return {
      config: join(env.APPDATA || join(home, 'AppData', 'Roaming'), NAME, 'Config'),
      data: join(local, 'Data'),
      cache: join(local, 'Cache')
    }
  }
  return {
    config: join(env.XDG_CONFIG_HOME || join(home, '.config'), NAME),
    data: join(env.XDG_DATA_HOME || join(home, '.local', 'share'), NAME),
    cache: join(env.XDG_CACHE_HOME || join(home, '.cache'), NAME)
  }
}

/** A user without a name and without HOME has none, as in some containers: it is the root then, as containers set it. */
export function homeFolder(): string {
  try {
    return homedir()
  } catch {
    return '/'
  }
}
