// `hyper-nat connect`: a connection by stdin and stdout, for scripts and for ssh.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { within } from '../support/deadline.js'
import { mainFile } from '../support/hyper-nat.js'
import { runProgram } from '../support/process.js'
import { programPath } from '../support/programs.js'
import { bindUdpEcho, freePort, listenTcp, listenTcpEcho } from '../support/servers.js'
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
  const env: Record<string, string | undefined> & { XDG_CONFIG_HOME: string } = {
    ...process.env,
    HYPER_NAT_CONTROL: 'off',
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

staged('all of stdin arrives at a target that has ended its own direction before', async stage => {
  const size = 3 << 20
  let arrived: Promise<Buffer> | undefined
  const target = await stage.use(listenTcp(socket => void (arrived = buffer(socket.end()))))
  const { ticket, start } = await share(stage, [target.port])
  const { child, ended } = start(ticket)
  child.stdin.end(Buffer.alloc(size))
  assert.deepEqual(await ended, { code: 0, stderr: '' })
  assert.equal((await arrived!).length, size)
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
  await fails(['nonsense', '22'], 2, /BAD_TICKET.*nor one of your friends/)
})

/** Runs a command over ssh with `hyper-nat connect` as its ProxyCommand. @returns what was shared, or why there is no ssh */
async function runSsh<T extends Awaited<ReturnType<typeof share>>>(
  stage: Stage,
  shareAs: (stage: Stage, ports: readonly number[]) => Promise<T>
): Promise<T | string> {
  const missing = noSsh()
  if (missing) return missing
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-ssh-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const port = await freePort()
  const sshd = await startSshd(folder, port)
  stage.defer(() => sshd.process.stop())
  const shared = await shareAs(stage, [port])
  const { publicKey, env } = shared
  const proxy = `ProxyCommand=${process.execPath} ${mainFile} connect ${publicKey} %p`
  const { code, stdout, stderr } = await runProgram(
    programPath('ssh'),
    ['-o', proxy, ...sshd.ssh(port, 'head -c 3000000 /dev/zero | cksum; exit 7')],
    { env }
  )
  assert.deepEqual([code, stdout.trim()], [7, '3933251326 3000000'], stderr)
  return shared
}

staged('ssh goes through it as a ProxyCommand', async stage => {
  const shared = await runSsh(stage, share)
  if (typeof shared === 'string') stage.t.skip(shared)
})

/** A daemon of the same user that has a session to the server, found by `hyper-nat connect`. */
async function withDaemon(stage: Stage, ports: readonly number[]) {
  const shared = await share(stage, ports)
  const control = mkdtempSync(join(tmpdir(), 'hn-control-'))
  stage.defer(() => rmSync(control, { recursive: true, force: true }))
  const entry = { mode: 'client', proto: 'tcp', port: ports[0], localPort: 0, publicKey: shared.publicKey }
  const daemon = await stage.daemon([entry], {}, { name: 'daemon', env: { HYPER_NAT_CONTROL: control } })
  await daemon.event('connected')
  shared.env.HYPER_NAT_CONTROL = control
  /** Sessions that the server has had. */
  const sessions = (): number => shared.server.events.filter(({ event }) => event === 'connected').length
  return { ...shared, daemon, control, sessions }
}

staged('a running daemon with a session lends it: no second one, the same ends and codes', async stage => {
  const echo = await stage.use(listenTcpEcho())
  const reset = await stage.use(listenTcp(socket => socket.on('data', () => socket.resetAndDestroy())))
  const bye = await stage.use(listenTcp(socket => socket.end('bye')))
  const closed = await freePort()
  const { publicKey, ticket, start, sessions } = await withDaemon(stage, [
    echo.port,
    reset.port,
    bye.port,
    closed
  ])
  const sent = randomBytes(3 << 20)
  const there = start(ticket!, `${echo.port}`)
  there.child.stdin.end(sent)
  const got = await buffer(there.child.stdout)
  assert.ok(got.equals(sent), `${got.length} bytes of ${sent.length} came back`)
  assert.deepEqual(await there.ended, { code: 0, stderr: '' })

  const first = start(publicKey, `${bye.port}`)
  assert.equal(await text(first.child.stdout), 'bye')
  first.child.stdin.end('still here')
  assert.equal((await first.ended).code, 0)

  for (const [port, says] of [
    [reset.port, /FLOW_RESET/],
    [closed, /TARGET_REFUSED/]
  ] as const) {
    const { child, ended } = start(publicKey, `${port}`)
    child.stdin.on('error', () => {})
    child.stdin.write('x')
    const { code, stderr } = await ended
    assert.equal(code, 1)
    assert.match(stderr, says)
  }
  assert.equal(sessions(), 1)
})

staged(
  'a stream that nobody reads holds up itself alone, and a killed command resets its flow',
  async stage => {
    let ended: Promise<unknown> | undefined
    const flood = await stage.use(
      listenTcp(socket => {
        ended = new Promise<void>(resolve => void socket.once('close', () => resolve()))
        const block = Buffer.alloc(1 << 16)
        const write = (): void => {
          while (!socket.destroyed && socket.write(block));
        }
        socket.on('drain', write)
        write()
      })
    )
    const echo = await stage.use(listenTcpEcho())
    const { publicKey, start, sessions } = await withDaemon(stage, [flood.port, echo.port])
    const stalled = start(publicKey, `${flood.port}`)
    await once(stalled.child.stdout, 'readable')
    const { child, ended: done } = start(publicKey, `${echo.port}`)
    child.stdin.end('hello')
    assert.equal(await text(child.stdout), 'hello')
    assert.equal((await done).code, 0)
    stalled.child.kill('SIGKILL')
    await ended
    assert.equal(sessions(), 1)
  }
)

staged('where the daemon cannot help, or ends, the command does it itself, or says so', async stage => {
  const echo = await stage.use(listenTcpEcho())
  const other = await stage.use(listenTcpEcho())
  const { publicKey, start, sessions, daemon, server } = await withDaemon(stage, [echo.port])
  const stranger = await share(stage, [other.port])
  // A server that the daemon does not know.
  const elsewhere = start(stranger.publicKey)
  elsewhere.child.stdin.end('elsewhere')
  assert.equal(await text(elsewhere.child.stdout), 'elsewhere')
  assert.deepEqual(await elsewhere.ended, { code: 0, stderr: '' })
  // A guest with a key of its own is not who the daemon is.
  const identity = join(stranger.env.XDG_CONFIG_HOME, 'key')
  const known = start(publicKey, '--identity', identity)
  known.child.stdin.end('as myself')
  assert.equal(await text(known.child.stdout), 'as myself')
  assert.equal((await known.ended).code, 0)
  assert.equal(sessions(), 2)
  // A port that is not shared: the server is asked.
  const missing = await start(publicKey, '9').ended
  assert.deepEqual([missing.code, /MAP_NOT_SHARED/.test(missing.stderr)], [1, true])

  // Before the time is over after which a process that hangs is ended.
  const stopped = start(publicKey)
  stopped.child.stdin.write('to be stopped')
  await once(stopped.child.stdout, 'data')
  stopped.child.kill('SIGTERM')
  assert.equal((await within(2000, stopped.ended, () => 'the end of a command that was stopped')).code, 0)

  const lent = start(publicKey)
  lent.child.stdin.write('first')
  assert.equal(String((await once(lent.child.stdout, 'data'))[0]), 'first')
  await daemon.stop()
  const { code, stderr } = await lent.ended
  assert.equal(code, 1, stderr)
  assert.match(stderr, /^error [A-Z_]+/)
  const alone = start(publicKey)
  alone.child.stdin.end('alone')
  assert.equal(await text(alone.child.stdout), 'alone')
  assert.equal((await alone.ended).code, 0)
  assert.ok(server.running)
})

staged('datagrams go by lengths or lines, alone and over the session of a daemon', async stage => {
  const target = await stage.use(bindUdpEcho())
  const { bootstrap } = await stage.testnet()
  const server = await stage.daemon(serverEntries([{ proto: 'udp', port: target.port }], newSecret()))
  const { publicKey } = await server.event('ready')
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-connect-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const run = async (control: string, input: Buffer, ...words: string[]) => {
    const child = spawn(process.execPath, [mainFile, 'connect', publicKey, ...words], {
      env: {
        ...process.env,
        HYPER_NAT_BOOTSTRAP: bootstrap.join(','),
        HYPER_NAT_CONTROL: control,
        XDG_CONFIG_HOME: folder,
        APPDATA: folder
      }
    })
    stage.defer(() => child.kill('SIGKILL'))
    child.stdin.end(input)
    const [out, stderr] = await Promise.all([buffer(child.stdout), text(child.stderr)])
    const code = child.exitCode ?? ((await once(child, 'close'))[0] as number)
    return { code, stderr, out }
  }
  const sessions = (): number => server.events.filter(({ event }) => event === 'connected').length
  const big = Buffer.concat([Buffer.from([0, 0, 0xff, 0xe3]), randomBytes(65_507)])
  const check = async (control: string): Promise<void> => {
    assert.deepEqual(await run(control, Buffer.from('one\ntwo'), '--udp', '--lines'), {
      code: 0,
      stderr: '',
      out: Buffer.from('one\ntwo\n')
    })
    const { code, out } = await run(control, big, `${target.port}`, '--udp')
    assert.deepEqual([code, out.equals(big)], [0, true], `${out.length} bytes of ${big.length}`)
  }
  await check('off')
  const alone = sessions()
  assert.equal((await run('off', Buffer.alloc(0), '9', '--udp')).code, 1)
  assert.equal((await run('off', Buffer.from([0xff, 0xff]), '--udp')).code, 1)
  assert.equal((await run('off', Buffer.alloc(0), '--lines')).code, 2)
  const byTcp = await run('off', Buffer.alloc(0), `${target.port}`)
  assert.deepEqual([byTcp.code, /PORT: is a UDP port; add --udp/.test(byTcp.stderr)], [2, true], byTcp.stderr)
  assert.equal(alone, 2)

  const entry = { mode: 'client', proto: 'udp', port: target.port, localPort: 0, publicKey }
  const control = join(folder, 'control')
  const daemon = await stage.daemon([entry], {}, { env: { HYPER_NAT_CONTROL: control } })
  await daemon.event('connected')
  const before = sessions()
  await check(control)
  assert.equal(sessions(), before)
})

staged('ssh goes through the session of a daemon', async stage => {
  const shared = await runSsh(stage, withDaemon)
  if (typeof shared === 'string') return stage.t.skip(shared)
  assert.equal(shared.sessions(), 1)
})
