// Sockets of this computer, as its own tools tell them.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { test } from 'node:test'
import { boundSockets } from '../../../src/programs/bound-sockets.js'
import { numberedSockets, programOf } from '../../../src/programs/linux.js'
import { lsofSockets, psProcesses } from '../../../src/programs/macos.js'
import { portsAmong } from '../../../src/programs/open-ports.js'
import { portHolder } from '../../../src/programs/port-holder.js'
import { cimProcesses, netstatSockets, taskNames } from '../../../src/programs/windows.js'
import { bindUdp, listenTcp } from '../../support/servers.js'

// Lines of a real /proc/net/tcp and udp: addresses little endian, as on x86 and ARM.
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:63DD 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 101 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 102 1 0000000000000000 100 0 0 10 0
   2: 0B07A8C0:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 103 1 0000000000000000 100 0 0 10 0
   3: 0100007F:63DD 0100007F:B3A2 01 00000000:00000000 00:00000000 00000000     0        0 104 1 0000000000000000 20 4 30 10 -1
`
const UDP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  1: 00000000000000000000000000000000:6D38 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 201 2 0000000000000000 0
  2: 00000000000000000000000001000000:6D39 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 202 2 0000000000000000 0
  3: 000000FD000000000000000005000000:6D3A 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 204 2 0000000000000000 0
  4: 00000000000000000000000000000000:B3A3 0000000000000000FFFF00000100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 203 2 0000000000000000 0
`

test('Linux: of all sockets, those count that wait for anybody', () => {
  assert.deepEqual(numberedSockets(TCP, 'tcp'), [
    { proto: 'tcp', address: '0.0.0.0', port: 25_565, inode: '101' },
    { proto: 'tcp', address: '127.0.0.1', port: 8080, inode: '102' },
    { proto: 'tcp', address: '192.168.7.11', port: 8081, inode: '103' }
  ])
  assert.deepEqual(numberedSockets(UDP6, 'udp'), [
    { proto: 'udp', address: '::', port: 27_960, inode: '201' },
    { proto: 'udp', address: '::1', port: 27_961, inode: '202' },
    { proto: 'udp', address: 'fd00::5', port: 27_962, inode: '204' }
  ])
  assert.deepEqual(numberedSockets('', 'udp'), [])
})

// As lsof -nP -iTCP -sTCP:LISTEN -iUDP -FpcPn tells it.
const LSOF = `p412
cjava
f45
PTCP
n*:25565
f46
PTCP
n127.0.0.1:8080
f47
PUDP
n[::1]:19132
f48
PUDP
n192.168.7.11:50000->192.168.7.1:53
f49
PUDP
n*:*
p500
cnginx: worker
f6
PTCP
n[::]:80
f7
PTCP
n[::]:80
`

test('macOS: what lsof tells', () => {
  assert.deepEqual(lsofSockets(LSOF), [
    { proto: 'tcp', address: '0.0.0.0', port: 25_565, pid: 412, program: 'java' },
    { proto: 'tcp', address: '127.0.0.1', port: 8080, pid: 412, program: 'java' },
    { proto: 'udp', address: '::1', port: 19_132, pid: 412, program: 'java' },
    { proto: 'tcp', address: '::', port: 80, pid: 500, program: 'nginx: worker' }
  ])
  assert.deepEqual(lsofSockets(''), [])
})

// As netstat -ano and tasklist tell it, in German and in English.
const NETSTAT = `
Aktive Verbindungen

  Proto  Lokale Adresse         Remoteadresse          Status           PID
  TCP    0.0.0.0:8888           0.0.0.0:0              ABH\u00d6REN         4711
  TCP    192.168.7.11:49800     203.0.113.7:443        HERGESTELLT      4712
  TCP    [::]:8888              [::]:0                 LISTENING        4711
  UDP    0.0.0.0:7777           *:*                                    4713
  UDP    [fe80::1%4]:1900       *:*                                    4711
`.replaceAll('\n', '\r\n')
const TASKS = `"System Idle Process","0","Services","0","8 K"\r\n"nginx.exe","4711","Console","1","9.620 K"\r\n`

test('Windows: what netstat and tasklist tell, in whatever language', () => {
  assert.deepEqual(netstatSockets(NETSTAT, taskNames(TASKS)), [
    { proto: 'tcp', address: '0.0.0.0', port: 8888, pid: 4711, program: 'nginx.exe' },
    { proto: 'tcp', address: '::', port: 8888, pid: 4711, program: 'nginx.exe' },
    { proto: 'udp', address: '0.0.0.0', port: 7777, pid: 4713, program: 'a program' },
    { proto: 'udp', address: 'fe80::1', port: 1900, pid: 4711, program: 'nginx.exe' }
  ])
  assert.deepEqual(netstatSockets('', new Map()), [])
})

const PS = `    1     0 /sbin/launchd
  412     1 /Applications/My Game.app/Contents/MacOS/launcher
  413   412 java
`

const CIM = '4 0 System\r\n4700 4 launcher.exe\r\n4711 4700 nginx.exe\r\n4713 4711 My Game.exe\r\n'

test('macOS and Windows: processes, and who started whom', () => {
  assert.deepEqual([...psProcesses(PS)].slice(1), [
    [412, { parent: 1, name: 'launcher' }],
    [413, { parent: 412, name: 'java' }]
  ])
  assert.deepEqual(cimProcesses(CIM).get(4713), { parent: 4711, name: 'My Game' })
  assert.equal(cimProcesses('').size, 0)
})

test('macOS and Windows: the ports of a program are those of its children, too', () => {
  const mac = portsAmong(412, lsofSockets(LSOF), psProcesses(PS))
  assert.equal(mac.name, 'launcher')
  assert.deepEqual(
    mac.ports.map(({ proto, port, ephemeral }) => `${proto} ${port} ${ephemeral}`),
    ['tcp 8080 false', 'tcp 25565 false']
  )
  const sockets = netstatSockets(NETSTAT, taskNames(TASKS))
  assert.deepEqual(
    portsAmong(4700, sockets, cimProcesses(CIM)).ports.map(({ proto, port }) => `${proto} ${port}`),
    ['udp 7777', 'tcp 8888']
  )
  assert.throws(() => portsAmong(99, sockets, cimProcesses(CIM)), { code: 'NO_SUCH_PROGRAM' })
})

test('the program that has a port of this computer is found', async t => {
  const [tcp, udp] = [await listenTcp(() => {}), await bindUdp(() => {})]
  t.after(() => Promise.all([tcp.close(), udp.close()]))
  const own = (await boundSockets()).filter(({ pid }) => pid === process.pid)
  assert.ok(own.some(({ proto, port }) => proto === 'tcp' && port === tcp.port))
  assert.ok(own.some(({ proto, port }) => proto === 'udp' && port === udp.port))
  const suffix = new RegExp(` \\(process ${process.pid}\\)$`)
  assert.match((await portHolder('tcp', '127.0.0.1', tcp.port)) ?? '', suffix)
  assert.match((await portHolder('udp', '127.0.0.1', udp.port)) ?? '', suffix)
  assert.equal(await portHolder('tcp', '127.0.0.1', 1), undefined)
  assert.equal(await portHolder('tcp', '127.0.0.9', tcp.port), undefined)
})

test('what does not print in the name of a program is not shown', {
  skip: process.platform !== 'linux'
}, async t => {
  const before = await programOf(process.pid)
  t.after(() => writeFileSync('/proc/self/comm', before))
  writeFileSync('/proc/self/comm', '\u001b[31mgame\nx')
  assert.equal(await programOf(process.pid), '?[31mgame?x')
})

test('a program of Node.js 24, which all have one name, is called as it was started', {
  skip: process.platform !== 'linux'
}, async t => {
  const before = readFileSync('/proc/self/comm')
  t.after(() => writeFileSync('/proc/self/comm', before))
  writeFileSync('/proc/self/comm', 'MainThread')
  assert.equal(await programOf(process.pid), basename(process.argv0))
})
