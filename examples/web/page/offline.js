// Keeps what the page fetches, so that it works without a network after the first visit.

/** Resolves when fetches of this page go through the service worker, or cannot. */
export async function offline() {
  if (!navigator.serviceWorker) return
  try {
    await navigator.serviceWorker.register('service-worker.js')
    if (navigator.serviceWorker.controller) return
    await new Promise((resolve) => {
      navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true })
      // The page works without it; do not wait for ever.
      setTimeout(resolve, 2000)
    })
  } catch (error) {
    console.warn('no offline use:', error)
  }
}
