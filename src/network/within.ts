/** Waits for something, but not longer than `ms`. */
export async function within(what: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise(resolve => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([what.catch(() => {}), late])
  clearTimeout(timer)
}
