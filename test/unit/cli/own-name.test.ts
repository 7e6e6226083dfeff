import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOwnWords, ownName, type Started } from '../../../src/cli/own-name.js'
import { groups } from '../../../src/cli/program.js'
import { runOnce } from './memory.js'

const SCRIPT: Started = {
  platform: 'linux',
  isSingleFile: false,
  execPath: '/usr/bin/node',
  script: '/usr/local/bin/hyper-nat',
  cwd: '/home/anna',
  env: { PATH: '/usr/local/bin:/usr/bin' }
}

const PROGRAM: Started = {
  ...SCRIPT,
  isSingleFile: true,
  execPath: '/usr/bin/hyper-nat',
  script: '/usr/bin/hyper-nat'
}

const WINDOWS: Started = {
  ...PROGRAM,
  platform: 'win32',
  execPath: 'C:\\Users\\Anna K\\Downloads\\hyper-nat-2.0.0-win-x64.exe',
  cwd: 'C:\\Users\\Anna K\\Downloads',
  env: { Path: 'C:\\Windows\\system32;c:\\users\\anna k\\appdata\\local\\programs\\hyper-nat\\' }
}

test('what npm has installed is called by its name', () => {
  assert.equal(ownName(SCRIPT), 'hyper-nat')
  const windows = {
    ...WINDOWS,
    isSingleFile: false,
    script: 'C:\\Users\\Anna K\\AppData\\Roaming\\npm\\node_modules\\hyper-nat\\dist\\src\\main.js',
    env: { PATH: 'C:\\Users\\Anna K\\AppData\\Roaming\\npm' }
  }
  assert.equal(ownName(windows), 'hyper-nat')
  assert.equal(ownName({ ...windows, env: {} }), 'npx hyper-nat')
})

test('npx and a project of npm are distinguished from a clone', () => {
  const of = (script: string): string => ownName({ ...SCRIPT, script })
  assert.equal(of('/home/anna/.npm/_npx/1a2b/node_modules/.bin/hyper-nat'), 'npx hyper-nat')
  assert.equal(of('/home/anna/game/node_modules/.bin/hyper-nat'), 'npx hyper-nat')
  assert.equal(of('/home/anna/clone/dist/src/main.js'), 'node clone/dist/src/main.js')
  assert.equal(of('/srv/my clone/dist/src/main.js'), 'node "/srv/my clone/dist/src/main.js"')
  assert.equal(ownName({ ...SCRIPT, env: {} }), 'node /usr/local/bin/hyper-nat')
})

test('a single-file program is called as its place asks for', () => {
  assert.equal(ownName(PROGRAM), 'hyper-nat')
  const execPath = '/home/anna/hyper-nat-2.0.0-linux-x64'
  assert.equal(ownName({ ...PROGRAM, execPath }), './hyper-nat-2.0.0-linux-x64')
  assert.equal(ownName({ ...PROGRAM, execPath, cwd: '/' }), execPath)
  assert.equal(ownName(WINDOWS), '.\\hyper-nat-2.0.0-win-x64.exe')
  assert.equal(ownName({ ...WINDOWS, cwd: 'C:\\' }), `"${WINDOWS.execPath}"`)
  const execPathInPath = 'C:\\Users\\Anna K\\AppData\\Local\\Programs\\hyper-nat\\hyper-nat.exe'
  assert.equal(ownName({ ...WINDOWS, execPath: execPathInPath }), 'hyper-nat')
})

test('messages advise commands as they are typed here', async () => {
  const elsewhere = new Set(['id', 'relay', 'bootstrap', 'completion'])
  for (const { name } of groups.flatMap(({ commands }) => commands)) {
    const own = elsewhere.has(name) ? 'hyper-nat' : 'npx hyper-nat'
    assert.equal(inOwnWords(`run hyper-nat ${name}.`, 'npx hyper-nat'), `run ${own} ${name}.`)
  }
  const said = 'hyper-nat is running; hyper-nat --help'
  assert.equal(inOwnWords(said, './hyper-nat'), said)
  assert.equal(inOwnWords('hyper-nat ui', 'C:\\$&\\x.exe'), 'C:\\$&\\x.exe ui')
  const { err } = await runOnce(['minecraft'], { name: './hyper-nat' })
  assert.match(err, / {2}minecraft: .* it is a game: \.\/hyper-nat host minecraft\n/)
  assert.match((await runOnce(['minecraft', '--json'], { name: './x' })).out, /: hyper-nat host minecraft"/)
})
