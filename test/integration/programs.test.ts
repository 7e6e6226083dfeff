// Programs that people use, through the tunnel.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isRoot } from '../support/machine.js'
import { Process, runProgram } from '../support/process.js'
import { missing, programPath } from '../support/programs.js'
import { sha256 } from '../support/random.js'
import { freePort, listenTcpHash } from '../support/servers.js'
import { noSsh, startSshd } from '../support/sshd.js'
import { type Stage, staged } from '../support/stage.js'

/** A folder that only we can read, gone at the end. */
function folderOf(stage: Stage): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Starts a program that the test's end stops. */
function background(stage: Stage, program: string, args: string[]): Process {
  const child = new Process(programPath(program), args)
  stage.defer(() => child.stop())
  return child
}

staged(
  'curl: pages, an upload, many requests at once',
  async stage => {
    const page = stage.random.bytes(4_000_000)
    const server = http.createServer(async (request, response) => {
      if (request.method === 'PUT') {
        response.end(sha256(Buffer.concat(await request.toArray())))
      } else response.writeHead(200, { 'content-length': page.length }).end(page)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    stage.defer(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const tunnel = await stage.tunnel([{ proto: 'tcp', port }])
    const url = `http://127.0.0.1:${await tunnel.localPort('tcp', port)}/`

    const folder = folderOf(stage)
    const file = join(folder, 'page')
    const got = await runProgram('curl', [
      '-sS',
      '--fail',
      '-o',
      file,
      '-w',
      '%{size_download} %{num_connects}',
      url
    ])
    assert.equal(got.code, 0, got.stderr)
    assert.equal(got.stdout, `${page.length} 1`)

    writeFileSync(file, page)
    const put = await runProgram('curl', ['-sS', '--fail', '-T', file, url])
    assert.equal(put.stdout, sha256(page), put.stderr)

    const many = await runProgram('curl', [
      '-sS',
      '--fail',
      '-Z',
      '--parallel-max',
      '20',
      '-o',
      file,
      `${url}[1-40]`
    ])
    assert.equal(many.code, 0, many.stderr)
  },
  { skip: missing('curl') }
)

staged(
  'nc -N: a reply after half-close',
  async stage => {
    const target = await stage.use(listenTcpHash())
    const tunnel = await stage.tunnel([{ proto: 'tcp', port: target.port }])
    const data = stage.random.bytes(100_000)
    const port = await tunnel.localPort('tcp', target.port)
    const got = await runProgram('nc', ['-N', '127.0.0.1', `${port}`], { input: data })
    assert.equal(got.stdout, sha256(data))
  },
  { skip: missing('nc') }
)

staged(
  'iperf3: both directions, four connections',
  async stage => {
    const port = await freePort()
    const iperf = background(stage, 'iperf3', ['-s', '-B', '127.0.0.1', '-p', `${port}`, '--forceflush'])
    const tunnel = await stage.tunnel([{ proto: 'tcp', port }])
    const local = `${await tunnel.localPort('tcp', port)}`
    for (const [i, direction] of [[], ['-R'], ['-P', '4']].entries()) {
      // It looks at new connections first, and is busy until it has seen the end of the one before.
      await iperf.says(new RegExp(`listening .*\\(test #${i + 1}\\)`))
      const args = ['-c', '127.0.0.1', '-p', local, '-t', '1', '-J', ...direction]
      const { code, stdout } = await runProgram('iperf3', args)
      assert.equal(code, 0, stdout)
      const report = JSON.parse(stdout)
      // With -J, iperf3 ends with 0 whatever happened.
      assert.equal(report.error, undefined)
      const bits = report.end.sum_received.bits_per_second
      stage.t.diagnostic(`iperf3 ${direction.join(' ')}: ${(bits / 1e6).toFixed()} Mbit/s`)
      assert.ok(bits > 50e6, `${bits} bit/s`)
    }
  },
  { skip: missing('iperf3') }
)

staged(
  'dig and dnsmasq: a name server over a tcp+udp map',
  async stage => {
    const port = await freePort()
    const args = ['--no-daemon', '--no-resolv', '--no-hosts', `--port=${port}`, '--listen-address=127.0.0.1']
    const long = 'x'.repeat(200)
    const texts = Array.from({ length: 12 }, (_, i) => `--txt-record=long.test,${i}${long}`)
    const user = isRoot ? ['--user=root'] : []
    const records = ['--address=/host.test/192.0.2.7', ...texts, '--edns-packet-max=4096']
    const dnsmasq = background(stage, 'dnsmasq', [...args, '--bind-interfaces', ...user, ...records])
    await dnsmasq.says(/started/)

    const tunnel = await stage.tunnel([
      { proto: 'tcp', port },
      { proto: 'udp', port }
    ])
    for (const proto of ['udp', 'tcp']) {
      const local = await tunnel.localPort(proto, port)
      const base = [
        '@127.0.0.1',
        '-p',
        `${local}`,
        '+tries=3',
        '+time=2',
        proto === 'tcp' ? '+tcp' : '+notcp'
      ]
      const address = await runProgram('dig', [...base, '+short', 'host.test'])
      assert.equal(address.stdout.trim(), '192.0.2.7', address.stderr)
      // More than an Ethernet frame holds: over UDP this answer is fragmented and put together again.
      const text = await runProgram('dig', [
        ...base,
        '+short',
        '+ignore',
        '+bufsize=4096',
        'long.test',
        'TXT'
      ])
      assert.equal(text.stdout.trim().split('\n').length, 12, `${proto}: ${text.stdout}`)
    }
  },
  { skip: missing('dig', 'dnsmasq') }
)

staged(
  'ssh: commands, a file, a session that waits',
  async stage => {
    const folder = folderOf(stage)
    const port = await freePort()
    const sshd = await startSshd(folder, port)
    stage.defer(() => sshd.process.stop())
    const tunnel = await stage.tunnel([{ proto: 'tcp', port }])
    const local = await tunnel.localPort('tcp', port)
    const ssh = (command: string) => sshd.ssh(local, command)
    const hello = await runProgram('ssh', ssh('echo hello'))
    assert.equal(hello.stdout, 'hello\n', `${hello.stderr}\n${sshd.process.describe()}`)
    const data = stage.random.bytes(3_000_000)
    const sum = await runProgram('ssh', ssh('sha256sum'), { input: data })
    assert.equal(sum.stdout.split(' ')[0], sha256(data), sum.stderr)
    // Interactive: a line there, a line back, while the session stays open.
    const session = new Process('ssh', ssh('cat'))
    stage.defer(() => session.stop())
    for (const word of ['one', 'two', 'three']) {
      session.input(`${word}\n`, false)
      await session.says(new RegExp(`${word}\n`))
    }
    session.input('', true)
    assert.equal((await session.end()).code, 0)
  },
  { skip: noSsh() }
)
