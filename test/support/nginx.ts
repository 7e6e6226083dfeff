import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectTcp } from './clients.js'
import { until } from './deadline.js'
import { Process } from './process.js'
import { programPath } from './programs.js'
import type { Stage } from './stage.js'

/**
 * Starts nginx; resolves when it accepts connections. The end of the test stops it.
 * @param folder where it writes
 * @param port where it listens, on 127.0.0.1
 * @param http what its http section has
 */
export async function startNginx(stage: Stage, folder: string, port: number, http: string): Promise<void> {
  const config = join(folder, 'nginx.conf')
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${join(folder, name)};`
  )
  writeFileSync(
    config,
    `daemon off; master_process off; pid ${join(folder, 'pid')}; error_log stderr info;
    events { worker_connections 64; }
    http { ${temp.join(' ')} ${http} }`
  )
  const nginx = new Process(programPath('nginx'), ['-c', config, '-p', folder, '-e', 'stderr'])
  stage.defer(() => nginx.stop())
  await until(10_000, `nginx on port ${port}: ${nginx.describe()}`, async () => {
    const socket = await connectTcp(port).catch(() => null)
    socket?.destroy()
    return socket !== null
  })
}
