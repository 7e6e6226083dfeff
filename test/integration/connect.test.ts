// `hyper-nat connect`: a connection by stdin and stdout, for scripts and for ssh.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { mainFile } from '../support/hyper-nat.js'
import { runProgram } from '../support/process.js'
import { programPath } from '../support/programs.js'
import { freePort, listenTcp, listenTcpEcho } from '../support/servers.js'
import { noSsh, startSshd } from '../support/sshd.js'
import { newSecret, type Stage, serverEntries, staged } from '../support/stage.js'

/** A server that shares these TCP ports, and how to start `hyper-nat connect` in its network. */
async function share(stage: Stage, ports: readonly number[]) {
  const { bootstrap } = await stage.testnet()
  const server = await stage.daemon(
    serverEntries(
      ports.map(port => ({ proto: 'tcp', port })),
      newSecret()
    )
  )
  const ready = await server.event('ready')
  assert.ok(ready.mode === 'server' && ready.ticket !== undefined)
  const { publicKey, ticket } = ready
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-connect-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const env = {
    ...process.env,
    HYPER_NAT_BOOTSTRAP: bootstrap.join(','),
    XDG_CONFIG_HOME: folder,
    APPDATA: folder
  }
  const start = (...words: string[]) => {
    const child = spawn(process.execPath, [mainFile, 'connect', ...words], { env })
    stage.defer(() => child.kill('SIGKILL'))
    const stderr = text(child.stderr)
    const ended = once(child, 'close').then(async ([code]) => ({
      code: code as number,
      stderr: await stderr
    }))
    return { child, ended }
  }
  return { server, publicKey, ticket, env, start }
}

staged('bytes go there and back, and the end of stdin comes to the other side', async stage => {
  const echo = await stage.use(listenTcpEcho())
  const { ticket, start } = await share(stage, [echo.port])
  const sent = randomBytes(2 << 20)
  const { child, ended } = start(ticket)
  child.stdin.end(sent)
  const got = await buffer(child.stdout)
  assert.ok(got.equals(sent), `${got.length} bytes of ${sent.length} came back`)
  assert.deepEqual(await ended, { code: 0, stderr: '' })
})

staged('stdout may be a file', async stage => {
  const target = await stage.use(listenTcp(socket => socket.end('into the file')))
  const { publicKey, env } = await share(stage, [target.port])
  const file = join(env.XDG_CONFIG_HOME, 'out')
  const out = openSync(file, 'w')
  const child = spawn(process.execPath, [mainFile, 'connect', publicKey], {
    env,
    stdio: ['ignore', out, 'pipe']
  })
  closeSync(out)
  const [said, [code]] = await Promise.all([text(child.stderr!), once(child, 'close')])
  assert.deepEqual([code, said, readFileSync(file, 'utf8')], [0, '', 'into the file'])
})

staged('the other side ends first: stdout ends, and what is still typed goes out', async stage => {
  let heard: Promise<string> | undefined
  const target = await stage.use(
    listenTcp(socket => {
      socket.end('bye')
      heard = text(socket)
    })
  )
  const other = await stage.use(listenTcpEcho())
  const { publicKey, start } = await share(stage, [target.port, other.port])
  const { child, ended } = start(publicKey, `${target.port}`)
  assert.equal(await text(child.stdout), 'bye')
  child.stdin.end('still here')
  assert.equal((await ended).code, 0)
  assert.equal(await heard, 'still here')
})

staged('what goes wrong is said on stderr, and in the exit code', async stage => {
  const reset = await stage.use(listenTcp(socket => socket.on('data', () => socket.resetAndDestroy())))
  const closed = await freePort()
  const { publicKey, start } = await share(stage, [reset.port, closed])
  const fails = async (words: string[], code: number, says: RegExp, input = 'x'): Promise<void> => {
    const { child, ended } = start(...words)
    child.stdin.on('error', () => {})
    child.stdin.write(input)
    const out = text(child.stdout)
    const ending = await ended
    assert.deepEqual([ending.code, await out], [code, ''], ending.stderr)
    assert.match(ending.stderr, says)
  }
  await fails([publicKey, `${reset.port}`], 1, /FLOW_RESET/)
  await fails([publicKey, `${closed}`], 1, /TARGET_REFUSED/)
  await fails([publicKey, '9'], 1, /MAP_NOT_SHARED/)
  const ports = `(?=.*\\b${reset.port}\\b)(?=.*\\b${closed}\\b)`
  await fails(
    [publicKey],
    2,
    new RegExp(`PORT: is missing; give one of the TCP ports that the server shares:${ports}`)
  )
  await fails([], 2, /SERVER: is missing; give the ticket or the public key/)
  await fails(['nonsense', '22'], 2, /BAD_TICKET.*none of your friends/)
})

staged('ssh goes through it as a ProxyCommand', async stage => {
  const missing = noSsh()
  if (missing) return stage.t.skip(missing)
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-ssh-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const port = await freePort()
  const sshd = await startSshd(folder, port)
  stage.defer(() => sshd.process.stop())
  const { publicKey, env } = await share(stage, [port])
  const proxy = `ProxyCommand=${process.execPath} ${mainFile} connect ${publicKey} %p`
  const { code, stdout, stderr } = await runProgram(
    programPath('ssh'),
    ['-o', proxy, ...sshd.ssh(port, 'head -c 3000000 /dev/zero | cksum; exit 7')],
    { env }
  )
  assert.deepEqual([code, stdout.trim()], [7, '3933251326 3000000'], stderr)
})
