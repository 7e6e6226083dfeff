/**
 * Settings of V8 and glibc for daemons: their defaults are for programs with large heaps that run for seconds, ours
 * has a heap of some 10 MB and is to be quick at once. Only the program does this: a library does not set the engine of its host.
 */
import { mkdirSync } from 'node:fs'
import module from 'node:module'
import { dirname } from 'node:path'
import v8 from 'node:v8'
import vm from 'node:vm'
import { userFolders } from './user-folders.js'

/**
 * How much the heap may grow between two full collections, in percent. The network buffers that hang on our small heap would have
 * it collected four times a second under load, for a fifth of the processor. Beyond 250 the rate gains nothing, and memory passes
 * 150 MB.
 */
const HEAP_GROWING_PERCENT = 250

/**
 * What the space for new objects is multiplied with when many of them live on. Loading the program has made it 8 MB, which is enough;
 * it would become 16 MB, twice, in the middle of a game.
 */
const NEW_SPACE_FLAG = '--semi-space-growth-factor=1'

/**
 * The largest block that glibc has seen freed sets what it keeps, twice as much, before it gives memory back to the system: by
 * itself so little that under load each collection gave megabytes back and the next second allocated them again.
 */
const FREED_BYTES = 2 * 1024 * 1024

/** The newest Node whose V8 is known to have the flags below; what V8 does not know it complains about on stderr. */
const NEWEST_KNOWN = 26

/**
 * When code is compiled. A session's first thousand packets would run in the interpreter, at some twice the time per packet, and a
 * game sends 60 a second. Sooner still would compile so much at once that packets wait for it. In docs/notes/latency.md, "The first
 * packets".
 * @param node the major version of Node
 */
export function compilerFlags(node: number): readonly string[] {
  if (node > NEWEST_KNOWN) return []
  // Up to V8 11.3 it is bytes of bytecode run between two looks, 66 kB by default; later, calls: 400 and 3000.
  if (node <= 20) return ['--interrupt-budget=15000']
  return ['--invocation-count-for-maglev=90', '--invocation-count-for-turbofan=670']
}

/** Once per process, before what is to run fast is loaded. */
export function tuneEngine(): void {
  const flags = [
    `--heap-growing-percent=${HEAP_GROWING_PERCENT}`,
    NEW_SPACE_FLAG,
    ...compilerFlags(Number.parseInt(process.versions.node, 10))
  ]
  for (const flag of flags) v8.setFlagsFromString(flag)
  Buffer.allocUnsafeSlow(FREED_BYTES)
}

/**
 * The same for a relay, whose packets live for some milliseconds and whose memory counts more than its speed. With 64 clients of which 10
 * have stopped reading it peaks at 121 to 139 MB on Node.js 20 to 24, and without this at 122 to 189; it costs a seventh more of the processor.
 */
export function tuneRelay(): void {
  v8.setFlagsFromString('--optimize-for-size')
}

let gc: (() => void) | undefined

/**
 * Collects garbage now. V8 does so when a program allocates, and a daemon that has nothing to do any more does not: what a hostile
 * guest left behind would stay for hours. Takes some 10 ms, so it is for rare occasions.
 */
export function collectGarbage(): void {
  if (!gc) {
    v8.setFlagsFromString('--expose-gc')
    gc = vm.runInNewContext('gc') as () => void
  }
  gc()
}

/**
 * Keeps V8's compiled code of this program in the user's cache folder, which other users cannot write to. Node has this since
 * 22.1; `NODE_DISABLE_COMPILE_CACHE=1` turns it off. Without a folder that can be written to, code is compiled at each start.
 */
export function cacheCompiledCode(
  folder = userFolders().cache,
  { enableCompileCache } = module as { enableCompileCache?: (folder: string) => unknown }
): void {
  if (!enableCompileCache) return
  try {
    // Node makes it, too, but tries for ever where the system says that a folder to make it in, which is there, is not: in /proc.
    makeFolder(folder)
  } catch {
    return
  }
  enableCompileCache(folder)
}

/** How many folders of a path may be missing: Windows has two for each program. */
const MISSING = 2

function makeFolder(folder: string, missing = MISSING): void {
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (err) {
    const { code } = err as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || missing === 0) throw err
    makeFolder(dirname(folder), missing - 1)
    mkdirSync(folder, { mode: 0o700 })
  }
}
