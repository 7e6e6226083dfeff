// The groups of tests, in the order in which they run; what `npm test` does after the build.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/**
 * `atOnce`: so many files at a time; as many as there are cores if left out. More than cores where tests mostly wait. `longest`: files
 * that take longest, which start before the others, so that none of them runs alone at the end. `alone`: files whose tests measure
 * rates, times or memory, or meddle with all packets on loopback: they run after the others, one at a time.
 * `timeout`: milliseconds for one test file, so that a hang ends as a failure with a name. `optional`: the folder may be missing
 * (but not be empty). `before`: a program of the folder that must succeed first. `only`: the systems that have the group.
 * `together`: so many processes take all files but those of `alone`, which saves loading the same modules for each. `timeout` is that
 * of a process then, and `alone` also has files that set the environment for themselves. `asked`: it runs only when it is named,
 * because it needs programs or time that few have.
 */
const groups = [
  { name: 'unit', timeout: 600_000, together: 4, alone: ['friends', 'reassembly'] },
  {
    name: 'sim',
    timeout: 420_000,
    longest: ['arq-performance', 'arq-neighbours', 'session-disasters'],
    optional: true
  },
  { name: 'fuzz', timeout: 240_000 },
  {
    name: 'integration',
    timeout: 180_000,
    atOnce: 2,
    alone: ['flood', 'hostile-host', 'later-secret', 'programs', 'sealed', 'tcp-load', 'tcp-relay-load']
  },
  {
    name: 'natlab',
    timeout: 500_000,
    atOnce: 2,
    alone: ['ipv6', 'ipv6-delay', 'pairs', 'players', 'mtu', 'shared-line', 'tcp-line'],
    optional: true
  },
  { name: 'games', timeout: 120_000, atOnce: 2, optional: true },
  {
    name: 'packages',
    timeout: 400_000,
    atOnce: 2,
    alone: ['sizes'],
    before: 'build',
    only: ['linux x64'],
    asked: true
  }
]

export const groupNames = groups.map(({ name }) => name)

/**
 * Runs the groups named in `only`, or all; resolves with 0 when everything passed and something ran.
 * @param system the one that `only` of a group is about
 */
export async function runGroups(root, only = [], system = `${process.platform} ${process.arch}`) {
  const unknown = only.filter(name => !groups.some(g => g.name === name))
  if (unknown.length > 0) {
    console.error(
      `No such group of tests: ${unknown.join(', ')}. There are: ${groups.map(g => g.name).join(', ')}.`
    )
    return 2
  }
  const results = []
  for (const group of groups) {
    if (only.length > 0 ? !only.includes(group.name) : group.asked) continue
    const why = cannotRun(root, group, system)
    if (why !== undefined) {
      // Somebody who names a group wants to know that it passes.
      if (only.length > 0) results.push({ group, seconds: 0, counts: {}, failures: [why] })
      continue
    }
    console.log(`\n== ${group.name} ==`)
    results.push(await runGroup(root, group))
  }
  return report(results)
}

/** Why a group cannot run here. */
function cannotRun(root, { name, only, optional }, system) {
  if (only && !only.includes(system)) return `it runs on ${only.join(', ')} only, this is ${system}`
  if (optional && !existsSync(join(root, 'test', name))) return `test/${name} is missing`
  return undefined
}

async function runGroup(root, group) {
  const files = testFiles(join(root, 'dist', 'test', group.name))
  const alone = files.filter(file => group.alone?.includes(basename(file, '.test.js')))
  const rest = files.filter(file => !alone.includes(file))
  const started = performance.now()
  const result = { group, seconds: 0, failures: [], counts: {} }
  if (files.length === 0) result.failures.push(`test/${group.name} holds no tests`)
  if (group.before && (await node(root, [join('dist', 'test', group.name, `${group.before}.js`)])) !== 0) {
    result.failures.push(`test/${group.name}/${group.before} failed`)
    return result
  }
  const bundles = group.together || group.longest ? bundle(inOrder(rest, group), group.together) : null
  if (rest.length > 0) addTo(result, await runFiles(root, group, bundles?.files ?? rest, group.atOnce))
  bundles?.remove()
  if (alone.length > 0) addTo(result, await runFiles(root, group, alone, 1))
  result.seconds = (performance.now() - started) / 1000
  return result
}

/** Those that take longest first. */
function inOrder(files, { longest = [] }) {
  const isLong = file => longest.includes(basename(file, '.test.js'))
  const long = longest.flatMap(name => files.filter(file => basename(file, '.test.js') === name))
  return [...long, ...files.filter(file => !isLong(file))]
}

/** Modules that import the files in turn, named so that Node, which sorts what it runs, keeps their order. */
function bundle(files, count = files.length) {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-test-'))
  const bundles = Array.from({ length: Math.min(count, files.length) }, (_, i) => {
    const own = files.filter((_, k) => k % count === i)
    const name = own.length === 1 ? basename(own[0], '.test.js') : 'several'
    const path = join(folder, `${String(i + 1).padStart(3, '0')}-${name}.mjs`)
    const imports = own.map(file => pathToFileURL(file).href)
    writeFileSync(path, imports.map(url => `await import(${JSON.stringify(url)})\n`).join(''))
    return path
  })
  return { files: bundles, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

function addTo(result, { counts, failures }) {
  result.failures.push(...failures)
  for (const [name, count] of Object.entries(counts)) result.counts[name] = (result.counts[name] ?? 0) + count
}

async function runFiles(root, group, files, atOnce = availableParallelism()) {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-test-'))
  const summary = join(folder, 'summary.json')
  const reporter = pathToFileURL(join(dirname(fileURLToPath(import.meta.url)), 'summary-reporter.mjs')).href
  // By itself Node leaves one core free: with two, it runs one file at a time.
  const args = ['--test', `--test-timeout=${group.timeout}`, `--test-concurrency=${atOnce}`]
  args.push('--test-reporter=spec', '--test-reporter-destination=stdout')
  args.push(`--test-reporter=${reporter}`, `--test-reporter-destination=${summary}`)
  const code = await node(root, [...args, ...files])
  const { counts, failures } = JSON.parse(readFileSync(summary, 'utf8') || '{"counts":{},"failures":[]}')
  rmSync(folder, { recursive: true, force: true })
  if (code !== 0 && failures.length === 0) failures.push(`the runner ended with code ${code}`)
  if (code === 0 && !counts.pass) failures.push('not one test passed')
  return { counts, failures }
}

function testFiles(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter(name => name.endsWith('.test.js'))
    .sort()
    .map(name => join(folder, name))
}

function report(results) {
  console.log('\n== summary ==')
  for (const { group, seconds, counts, failures } of results) {
    const { pass = 0, skipped = 0, todo = 0 } = counts
    const extra = `${skipped ? `, ${skipped} skipped` : ''}${todo ? `, ${todo} to do` : ''}`
    const verdict = failures.length > 0 ? 'FAILED' : 'passed'
    const time = `${seconds.toFixed(1)} s`
    console.log(
      `${verdict}  ${group.name.padEnd(12)} ${String(pass).padStart(5)} passed${extra}  ${time.padStart(8)}`
    )
    for (const failure of failures) console.log(`        ${failure}`)
  }
  const failed = results.length === 0 || results.some(r => r.failures.length > 0)
  if (results.length === 0) console.log('No group of tests ran.')
  console.log(failed ? 'Some tests failed.' : 'All tests passed.')
  return failed ? 1 : 0
}

function node(cwd, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: 'inherit' })
    child.on('error', reject)
    child.on('close', code => resolve(code ?? 1))
  })
}
