// What a shop's page would hold: it names the write key and where to ask for settings, never where events go.
const query = new URLSearchParams(location.search)
const [cdn, key, strategy] = ['cdn', 'key', 'strategy'].map((name) => query.get(name))
// In a box: the SDK's object is itself a promise of something else.
const loading = strategy === 'standalone' ? snippet() : Promise.resolve({ analytics: npm() })

function npm() {
  return AnalyticsNext.AnalyticsBrowser.load(
    { writeKey: key, cdnURL: cdn },
    { integrations: { 'Segment.io': { deliveryStrategy: { strategy, config: { timeout: 200 } } } } },
  )
}

// The usual snippet, short: the key stands only in the script's address.
function snippet() {
  window.analytics = Object.assign([], { _cdn: cdn, SNIPPET_VERSION: '5.2.0' })
  const script = Object.assign(document.createElement('script'), { src: `${cdn}/analytics.js/v1/${key}/analytics.min.js` })
  return new Promise((loaded, failed) => {
    script.onerror = () => failed(new Error(`${script.src} did not load`))
    const look = () => (window.analytics.initialized ? loaded({ analytics: window.analytics }) : setTimeout(look, 20))
    script.onload = look
    document.head.append(script)
  })
}

// The SDK hands back each event as it goes out, with the message id and the page's properties that it added. Text, since a
// lone surrogate survives no other way out of the page.
const asSent = async (call) => JSON.stringify((await call).event)

async function sendOdd(run, many) {
  const { analytics } = await loading
  const odd = await (await fetch('/odd.json')).json()
  const calls = [
    analytics.identify(`${run}-user`, odd),
    analytics.page('e2e', 'Odd ☃', odd),
    analytics.screen('e2e', 'Odd ☃', odd),
    analytics.group(`${run}-group`, odd),
    analytics.alias(`${run}-user`, `${run}-before`),
    ...Object.entries(odd).map(([name, value]) => analytics.track(`Odd: ${name}`, { name, value })),
    analytics.track('Date', { at: new Date(Date.UTC(2026, 1, 28, 23, 59, 59, 999)), gone: undefined }),
    analytics.track('Big', { text: 'x'.repeat(20_000) }),
  ]
  for (let n = 0; n < many; n++) calls.push(analytics.track('Many', { n }))
  return Promise.all(calls.map(asSent))
}
