// As much of a browser as signing in takes: it follows redirects, fills in forms, and keeps cookies as browsers do. A
// SameSite=Strict cookie stays at home when another origin led the way; ports count as origins here, since in the field the
// provider is on another site.

const origin = (url) => new URL(url).origin

export class Browser {
  constructor() {
    this.cookies = new Map() // name → { value, attributes, line, origin }
  }

  async ask(url, { foreign = false, ...options } = {}) {
    const goes = ([, { attributes, origin: own }]) =>
      (!own || own === origin(url)) && !(foreign && attributes.some((one) => /^SameSite=Strict$/i.test(one)))
    const cookie = [...this.cookies]
      .filter(goes)
      .map(([name, { value }]) => `${name}=${value}`)
      .join('; ')
    const headers = { accept: 'text/html', ...options.headers, ...(cookie && { cookie }) }
    const response = await fetch(url, { ...options, headers, redirect: 'manual', signal: AbortSignal.timeout(15_000) })
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';').map((part) => part.trim())
      const name = pair.slice(0, pair.indexOf('='))
      const value = pair.slice(name.length + 1)
      const gone = !value || attributes.some((one) => /^max-age=0$/i.test(one) || /^expires=.*1970/i.test(one))
      if (gone) this.cookies.delete(name)
      else this.cookies.set(name, { value, attributes, line, origin: origin(url) })
    }
    return response
  }

  // Goes where it is sent, until a page comes, or `stop` says that an address is far enough. `from`: the page that led here; none
  // when the address was typed in.
  async go(url, { from = url, stop = () => false, ...options } = {}) {
    let foreign = origin(from) !== origin(url)
    for (let hops = 0; hops < 20; hops += 1) {
      if (stop(String(url))) return { url: String(url) }
      const response = await this.ask(url, { foreign, ...options })
      options = {}
      const text = response.status < 300 || response.status >= 400 ? await response.text() : ''
      const [, refresh] = text.match(/<meta[^>]*http-equiv="?refresh"?[^>]*content="[^"]*url=([^"]+)"/i) ?? []
      const to = response.headers.get('location') ?? refresh?.replaceAll('&amp;', '&')
      if (text && !refresh) return { url: String(url), status: response.status, headers: response.headers, text }
      if (!to) return { url: String(url), status: response.status, headers: response.headers, text }
      const next = new URL(to, url)
      // A page that leads on by itself is where the way begins anew.
      foreign = (refresh ? false : foreign) || origin(next) !== origin(url)
      url = next
    }
    throw new Error(`redirected 20 times, at last to ${url}`)
  }

  // Sends the only form of a page.
  async submit(page, fields, { stop } = {}) {
    const [, action] = page.text.match(/<form[^>]*action="([^"]+)"/) ?? []
    if (!action) throw new Error(`no form at ${page.url} (${page.status}): ${page.text.slice(0, 300)}`)
    const body = new URLSearchParams(fields)
    return this.go(new URL(action.replaceAll('&amp;', '&'), page.url), { from: page.url, stop, method: 'POST', body })
  }
}
