/** Where each system has this user's folders. */
import envPaths from 'env-paths'

/** `config` for settings and keys, `data` for what is noted while hyper-nat runs, `cache` for what can be made again. */
export function userFolders(): { readonly config: string; readonly data: string; readonly cache: string } {
  return envPaths('hyper-nat', { suffix: '' })
}
