// The entry `sparsecbm/gradients` in headless Chromium, on the page that Vite built: node gradients-browser.mjs SITE
// FILES
import { withPage } from './chromium.mjs'

const [site, files] = process.argv.slice(2)
await withPage(site, files, async ({ open, run }) => {
  await open()
  await run(['integrated', 'tiny'])
  await run(['edits', 'tiny', { maxShare: 0.2 }])
  await run(['edits', 'cebab'])
  await run(['limits', 'tiny', 'tiny-executed'])
  await run(['worker', 'cebab'])
})
