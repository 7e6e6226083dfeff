import assert from 'node:assert/strict'
import { test } from 'node:test'
import HyperDHT from 'hyperdht'
import { ipv4Number, ipv4Text, isPublicIpv4 } from '../../../../src/network/tcp-relay/ipv4.js'
import { isAddressedTo, kindOf } from '../../../../src/network/tcp-relay/packet-filter.js'

const udx = Buffer.alloc(20)
udx.set([0xff, 1])

test('packets of UDX, dht-rpc and punching are distinguished from all others', () => {
  assert.equal(kindOf(udx), 'udx')
  assert.equal(kindOf(Buffer.concat([udx, Buffer.alloc(1200)])), 'udx')
  assert.equal(kindOf(Buffer.of(0)), 'punch')
  for (const type of [0x03, 0x13]) {
    const packet = Buffer.alloc(10)
    packet[0] = type
    assert.equal(kindOf(packet), 'dht')
    assert.equal(kindOf(packet.subarray(0, 9)), null, 'cut short')
  }
  assert.equal(kindOf(udx.subarray(0, 19)), null, 'cut short')
  const otherVersion = Buffer.from(udx)
  otherVersion[1] = 2
  assert.equal(kindOf(otherVersion), null)
  assert.equal(kindOf(Buffer.alloc(0)), null)
  assert.equal(kindOf(Buffer.of(0, 0)), null, 'two zeros')
  // A DNS query, a SIP request, an NTP query, a SYN of QUIC: the first bytes that an open proxy is misused with.
  for (const hex of ['123401000001', '494e56495445', '1b0000000000', 'c300000001']) {
    assert.equal(kindOf(Buffer.from(hex.padEnd(96, '0'), 'hex')), null, hex)
  }
})

test('the packets that dht-rpc sends name where they go, and so pass', async () => {
  const sent: { packet: Buffer; port: number; host: string }[] = []
  const dht = new HyperDHT({ bootstrap: ['203.0.113.9:4321'] })
  try {
    const { io } = dht as unknown as {
      io: { clientSocket: { trySend: unknown } | null; bind(): Promise<void> }
    }
    await io.bind()
    io.clientSocket!.trySend = (packet: Buffer, port: number, host: string) =>
      sent.push({ packet, port, host })
    dht.ping({ host: '203.0.113.9', port: 4321 }, { retry: false }).catch(() => {})
    const [first] = sent
    assert.ok(first)
    assert.equal(kindOf(first.packet), 'dht')
    assert.ok(isAddressedTo(first.packet, ipv4Number(first.host), first.port))
    assert.ok(!isAddressedTo(first.packet, ipv4Number('203.0.113.8'), first.port))
    assert.ok(!isAddressedTo(first.packet, ipv4Number(first.host), 4322))
  } finally {
    await dht.destroy({ force: true })
  }
})

test('only public unicast addresses are public', () => {
  for (const host of [
    '1.1.1.1',
    '11.0.0.1',
    '172.15.255.255',
    '172.32.0.1',
    '223.255.255.255',
    '100.63.0.1'
  ]) {
    assert.ok(isPublicIpv4(host), host)
  }
  for (const host of [
    '0.0.0.0',
    '10.0.0.1',
    '100.64.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.7.1',
    '198.18.0.1',
    '224.0.0.251',
    '239.255.255.250',
    '240.0.0.1',
    '255.255.255.255',
    '::1',
    'localhost'
  ]) {
    assert.ok(!isPublicIpv4(host), host)
  }
})

test('addresses go to numbers and back', () => {
  for (const host of ['0.0.0.0', '127.0.0.1', '203.0.113.7', '255.255.255.255']) {
    assert.equal(ipv4Text(ipv4Number(host)), host)
  }
})
