// The network first, so that a new version is seen at once; what was kept where there is none.

const KEPT = 'sparsecbm-1'
// What the page loads before this worker is there; all else is kept when it is fetched.
const FIRST = [
  './',
  'style.css',
  'icon.svg',
  'app.js',
  'concept.js',
  'offline.js',
  'rating.js',
  'words.js',
  'examples.js',
]
const PACKAGE = [
  'worker/browser.js',
  'worker/browser-port.js',
  'worker/browser-spawn.js',
  'worker/calls.js',
  'worker/client.js',
  'worker/remote.js',
  'worker/send.js',
  'error.js',
  'source.js',
].map((file) => `package/${file}`)

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll([...FIRST, ...PACKAGE])))
  self.skipWaiting()
})

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('fetch', (event) => {
  const { request } = event
  if (request.method !== 'GET' || new URL(request.url).origin !== location.origin) return
  event.respondWith(answer(request, event))
})

async function answer(request, event) {
  const cache = await caches.open(KEPT)
  try {
    const response = await fetch(request)
    if (response.ok) event.waitUntil(cache.put(request, response.clone()))
    return response
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true })
    if (kept) return kept
    throw error
  }
}
