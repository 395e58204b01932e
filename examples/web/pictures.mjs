// Makes the pictures in docs/images, in headless Chromium: node examples/web/pictures.mjs SITE REPORT.html [FOLDER]
// SITE is what examples/web/build made, REPORT.html what `sparsecbm explain --html` wrote.
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import { allWeighed, browse, repository } from './browse.mjs'

const [site, report, folder = join(repository, 'docs/images')] = process.argv.slice(2)
if (!report) {
  console.error('usage: node examples/web/pictures.mjs SITE REPORT.html [FOLDER]')
  process.exit(2)
}
await browse(site, async (browser, url) => {
  for (const [name, width] of [['web-desktop', 1100], ['web-phone', 375]]) {
    const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme: 'light' })
    await page.goto(url)
    await allWeighed(page)
    if (name === 'web-desktop') {
      await page.getByRole('button', { name: 'food is negative' }).click()
      await page.locator('.concept.overridden').waitFor()
      await page.waitForFunction(() => /answered/.test(document.querySelector('#timings').textContent))
      await page.waitForTimeout(500)
    }
    await page.mouse.move(0, 0)
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
    await page.close()
  }
  const page = await browser.newPage({ viewport: { width: 900, height: 1100 }, colorScheme: 'light' })
  await page.goto(pathToFileURL(resolve(report)).href)
  await page.screenshot({ path: join(folder, 'report.png') })
})
