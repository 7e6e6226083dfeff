/** Where the page begins. */
import { render } from 'preact'
import { App } from './app.js'
import { enter, watchLinks } from './door.js'

watchLinks()
void enter().finally(() => render(<App />, document.getElementById('app')!))
