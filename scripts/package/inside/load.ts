/** Has the loaders of native addons load them from the executable; the bundler puts calls of this in their place. */
import { getAsset } from 'node:sea'
import { Addons, thisMachine } from './addons.js'
import { ADDONS_ASSET, ADDONS_HASH } from './assets.js'
import { readAny, shippedPath } from './shipped.js'

let addons: Addons | undefined

/** @param name of the addon's asset, without folder and ending */
export function loadAddon(name: string): unknown {
  addons ??= new Addons({
    hash: getAsset(ADDONS_HASH, 'utf8'),
    read: one => readAny(shippedPath(`${ADDONS_ASSET}/${one}.node`)),
    open: path => {
      const module = { exports: {} }
      process.dlopen(module, path)
      return module.exports
    },
    machine: thisMachine(),
    now: () => Date.now()
  })
  return addons.load(name)
}
