/** Where a single-file program starts. */
import './own-window.js'
import '../../../src/main.js'
