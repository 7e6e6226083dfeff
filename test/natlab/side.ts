import { after, before } from 'node:test'
import { Lab, noLab } from './lab.js'
import { PublicSide } from './pair.js'

/** Why the tests of this file are skipped, or false. */
export const skip = noLab()

export let lab: Lab
export let side: PublicSide

/** One lab with its public side for all the tests of a file. */
export function useLab(): void {
  before(async () => {
    if (skip) return
    lab = await Lab.open()
    side = new PublicSide(lab)
    await side.start()
  })
  after(async () => {
    if (skip) return
    await side.stop()
    await lab.close()
  })
}
