import assert from 'node:assert/strict'
import { test } from 'node:test'
import { server } from '../../../src/cli/server.js'
import { checkOptions } from '../../../src/options/check.js'
import { serverFeatures } from '../../../src/options/features.js'
import { runOnce } from '../cli/memory.js'

for (const [name, { flag, protos }] of serverFeatures) {
  test(`${name} reaches the port map from the file and from its flag, for the protocols that can have it`, async () => {
    const secret = 'qm4jzr8tk3ow9yxa5hbdnc6e'
    const schema = [{ mode: 'server', port: 5, proto: 'tcp+udp+tcpudp', secret, [name]: true }]
    const byFile = checkOptions({ schema }).entries
    const args = ['server', '-p', '5', '--protocol', 'tcp+udp+tcpudp', '-s', secret, `--${flag}`]
    const byFlag = (await runOnce(args)).options!.entries
    for (const entries of [byFile, byFlag])
      assert.deepEqual(
        entries.filter(entry => name in entry).map(({ proto }) => proto),
        ['tcp', 'udp', 'tcpudp'].filter(proto => (protos as string[]).includes(proto))
      )
    assert.equal(server.flags[flag]?.type, 'boolean')
  })
}
