/** Where the page begins. */
import { render } from 'preact'
import { App } from './app.js'
import { enter } from './door.js'

void enter().finally(() => render(<App />, document.getElementById('app')!))
