/** Names of assets in the executable, beside those of shipped files. */

/** Lists the shipped files. */
export const INDEX = 'index.json'

/** The folder of native addons. */
export const ADDONS_ASSET = 'addons'

/** The hash of all addons. */
export const ADDONS_HASH = 'addons.txt'
