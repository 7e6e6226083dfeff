import assert from 'node:assert/strict'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { findProgram } from './programs.js'
import type { Stage } from './stage.js'

/** What Chromium is called, by the systems that have it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** How long the page may take for anything, in milliseconds. */
const PATIENCE_MS = 15_000

const path = NAMES.map(findProgram).find(found => found !== undefined)

if (!path && process.env.HYPER_NAT_REQUIRE_BROWSER === '1') {
  throw new Error(`HYPER_NAT_REQUIRE_BROWSER is set, but there is no ${NAMES.join(', ')} in the PATH`)
}

/** Why tests of the page are skipped. */
export const noBrowser: string | false = path ? false : `no ${NAMES[0]} installed`

/** A real browser without a window; whatever a page writes on its console must be nothing. */
export class Pages {
  readonly #browser: Browser
  /** What the consoles of the pages have shown, and errors that nobody caught. */
  readonly complaints: string[] = []

  private constructor(browser: Browser) {
    this.#browser = browser
  }

  static async open(stage: Stage): Promise<Pages> {
    // Its sandbox needs a user other than root.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
    const browser = await stage.use(chromium.launch({ ...(path && { executablePath: path }), args }))
    return new Pages(browser)
  }

  /** A window with nothing stored, as of another person. */
  async visit(url: string): Promise<Page> {
    const context = await this.#browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] })
    const page = await context.newPage()
    page.setDefaultTimeout(PATIENCE_MS)
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text())
    })
    page.on('pageerror', err => this.complaints.push(String(err)))
    await page.goto(url)
    return page
  }
}

/** No rule of accessibility that a program can check is broken, in the light and in the dark. */
export async function assertAccessible(page: Page, what: string): Promise<void> {
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    // Evaluated from outside: the page itself lets in no script but its own.
    await page.evaluate(axe.source)
    const violations = await page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: typeof import('axe-core') }
      return (await axe.run()).violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html)}`)
    })
    assert.deepEqual(violations, [], `${what}, ${colorScheme}`)
  }
}
