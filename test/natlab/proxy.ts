// An HTTP proxy in the lab: proxy.js HOST PORT. Prints each CONNECT.
import { HttpProxy } from '../support/http-proxy.js'

const [host = '', port = ''] = process.argv.slice(2)
await HttpProxy.start(host, Number(port), address => console.log(`asked for ${address}`))
console.log('open')
