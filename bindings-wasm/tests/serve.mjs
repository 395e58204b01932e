// A static server for the tests: `await serve({ '/': 'folder', '/files/': 'other' }, headers)`.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
}

/** Serves folders by URL prefix on a free port; resolves to `{ url, close }`. */
export function serve(folders, headers = {}, port = 0) {
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname))
    const prefix = Object.keys(folders).sort((a, b) => b.length - a.length).find((one) => path.startsWith(one))
    try {
      let file = join(folders[prefix], path.slice(prefix.length))
      if ((await stat(file)).isDirectory()) file = join(file, 'index.html')
      const { size } = await stat(file)
      const type = TYPES[extname(file)] ?? 'application/octet-stream'
      response.writeHead(200, { 'content-type': type, 'content-length': size, ...headers })
      createReadStream(file).pipe(response)
    } catch {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`no ${path}`)
    }
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(port, '127.0.0.1', () =>
      resolve({ url: `http://localhost:${server.address().port}`, close: () => server.close() }),
    )
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, port] = process.argv.slice(2)
  const { url } = await serve({ '/': folder }, {}, Number(port))
  console.log(url)
}
