/**
 * Takes the pictures of the documents: the real page in a browser, with a game that is hosted and a guest. On this machine alone; run
 * from the root of the project, built: node dist/scripts/screenshots.js
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Browser, chromium, type Page } from 'playwright-core'
import { startTestnet } from '../test/support/testnet.js'

const FOLDER = 'docs/images'

/** What Chromium is called where none is named by CHROMIUM. */
const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** An event of `--json`. */
type Event = Readonly<Record<string, unknown>>

/** Everything that runs, to be ended. */
class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'hyper-nat-screenshots-'))
  readonly #children: ChildProcess[] = []

  /** Starts hyper-nat; resolves with the first event that fits. */
  start(args: readonly string[], fits: (event: Event) => boolean): Promise<Event> {
    const child = spawn(process.execPath, [join('dist', 'src', 'main.js'), ...args, '--json'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, HYPER_NAT_CONTROL: 'off', XDG_CONFIG_HOME: this.folder }
    })
    this.#children.push(child)
    return new Promise((resolve, reject) => {
      child.once('exit', code => reject(new Error(`hyper-nat ${args[0]} ended with ${code}`)))
      createInterface(child.stdout!).on('line', line => {
        const event = JSON.parse(line) as Event
        if (fits(event)) resolve(event)
      })
    })
  }

  end(): void {
    for (const child of this.#children) {
      child.removeAllListeners('exit')
      child.kill()
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

async function shots(stage: Stage, browser: Browser): Promise<void> {
  const dht = await startTestnet(4)
  const bootstrap = ['--bootstrap', dht.bootstrap.join(',')]
  const game = net.createServer(socket => socket.resume()).listen(25_565, '127.0.0.1')
  try {
    const file = join(stage.folder, 'options.json')
    const { once } = await stage.start(
      ['ui', '-c', file, '--no-open', ...bootstrap],
      ({ event }) => event === 'ui'
    )
    const page = await browser.newPage({ viewport: { width: 900, height: 760 }, deviceScaleFactor: 1 })
    await page.goto(String(once))
    await page.getByRole('link', { name: 'Host' }).click()
    await page.getByRole('button', { name: /^Minecraft: Java Edition/ }).click()
    await page.getByRole('button', { name: 'Host', exact: true }).click()
    await page.getByText('Friends can join').waitFor()
    await page.getByRole('button', { name: 'Invite to Minecraft: Java Edition' }).click()
    await page.getByRole('textbox', { name: /^Name/ }).fill('Anna')
    await page.getByRole('button', { name: 'Make a ticket' }).click()
    const ticket = (await page.getByRole('dialog').locator('code').textContent()) ?? ''
    await page.getByRole('button', { name: 'Done' }).click()
    await stage.start(['join', ticket, '-l', '0', ...bootstrap], ({ event }) => event === 'connected')
    await page.locator('.ping').filter({ hasText: / ms$/ }).waitFor()
    await picture(page, 'page')
  } finally {
    game.close()
    await dht.close()
  }
}

/** In the light; README is read on white more often. */
async function picture(page: Page, name: string): Promise<void> {
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' })
  // Its own file is nobody's business, and another one each time.
  await page.locator('footer').evaluate(footer => footer.remove())
  mkdirSync(FOLDER, { recursive: true })
  await page.screenshot({ path: join(FOLDER, `${name}.png`), fullPage: true })
}

const stage = new Stage()
const browser = await chromium.launch({
  executablePath: BROWSER,
  // Its sandbox needs a user other than root.
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : []
})
try {
  await shots(stage, browser)
} finally {
  await browser.close()
  stage.end()
}
